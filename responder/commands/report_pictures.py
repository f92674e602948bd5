"""The report in a terminal: a line of totals, a table of the clients, and each one's week as a heat picture.

Readable at 80 columns and without colour: how much is a block's darkness, whether it was out of hours stands in the
table, and empty hours tell by their sign whether they are usual working hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.dates import get_day_names
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from responder.commands.when import say_when
from responder.core import heat
from responder.core.report_words import Voice, in_time
from responder.core.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responder.core.report import Clock, Promises, Report, Section

BLOCKS = ("", "░", "▒", "▓", "█")
#: An hour without a message: out of hours, and in the usual hours.
NOTHING, NOTHING_IN_HOURS = "·", "_"
_LABEL = 6
_NAME = 24


def show(found: Report) -> None:
    """Print it."""
    console = Console(highlight=False)
    voice = Voice("en")
    console.print(f"From {say_when(found.since_at, found.zone)}\n  to {say_when(found.until_at, found.zone)}")
    if not found.sections:
        console.print("\nNobody wrote in that time.")
        return
    if found.total is not None:
        console.print(f"\n{escape(_totals(voice, found.total))}", style="bold")
    console.print()
    console.print(_table(voice, found))
    if found.silent:
        console.print(voice.count("silent", found.silent), style="dim")
    if any(section.promises.kept_weak or section.answers.weak for section in found.sections):
        console.print(
            "weak: known by weaker evidence only (marked as answered, or put away as after a call); part of kept",
            style="dim",
        )
    console.print("answer: the median, in hours of work agreed with this client", style="dim")
    if found.total is not None and len(found.sections) > 1:
        _show_section(console, voice, found, found.total, "All clients")
    for section in found.sections:
        _show_section(console, voice, found, section, clean(section.name))


def _totals(voice: Voice, total: Section) -> str:
    kept, due = in_time(total.promises)
    said = [
        f"{voice.number(total.messages)} message{'' if total.messages == 1 else 's'}",
        f"{voice.share(total.outside, total.messages)} out of hours",
    ]
    if due:
        said.append(f"{voice.number(kept)} of {voice.number(due)} answers in time")
    if total.answers.count:
        said.append(f"median {voice.length(total.answers.median_worked, in_days=False)} of work")
    return ", ".join(said)


def _table(voice: Voice, found: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("client", overflow="ellipsis", no_wrap=True, max_width=_NAME)
    for heading in ("mail", "closed", "night", "promised", "kept", "weak", "late", "open", "answer"):
        table.add_column(heading, justify="right", no_wrap=True)
    for section in found.sections:
        promises = section.promises
        late = promises.late + promises.overdue
        table.add_row(
            escape(clean(section.name)),
            voice.number(section.messages),
            voice.share(section.outside, section.messages),
            voice.share(section.night, section.messages) if section.night is not None else "–",
            voice.number(promises.made),
            voice.number(promises.kept + promises.kept_weak),
            voice.number(promises.kept_weak) if promises.kept_weak else "",
            f"[red]{voice.number(late)}[/red]" if late else "0",
            voice.number(promises.open),
            voice.length(section.answers.median_worked, in_days=False),
        )
    return table


def _show_section(console: Console, voice: Voice, found: Report, section: Section, heading: str) -> None:
    console.print(f"\n[bold]{escape(heading)}[/bold]")
    if section.client and not section.known:
        console.print("no longer in the rules; counted by the owner's hours", style="dim")
    for line in _lines(voice, section):
        console.print(line)
    if not section.messages:
        return
    console.print(week_picture(section.clock, f"{found.zone.key}, your clock"))
    if section.theirs is not None:
        clock = f"{section.zone.key}, the client's clock" if section.zone is not None else "each client's own clock"
        console.print(week_picture(section.theirs, clock))


def _lines(voice: Voice, section: Section) -> Iterator[str]:
    found = section.clock.busiest
    if found is not None:
        days = get_day_names("wide", locale="en")
        until = (found.until_hour - 1) % 24 + 1
        yield (
            f"out of hours most on {days[found.weekday]} ({found.on_weekday} of {found.of})"
            f" and {found.from_hour:02d}:00–{until:02d}:00 ({found.in_hours} of {found.of})"
        )
    answers = section.answers
    if answers.count:
        yield (
            f"answers: median {voice.length(answers.median_worked, in_days=False)} of work"
            f" ({voice.length(answers.median_elapsed)} by the calendar),"
            f" slowest {voice.length(answers.slowest_worked, in_days=False)}"
            f" ({voice.length(answers.slowest_elapsed)})"
        )
    if said := _fates(section.promises):
        yield said
    counts = (("the urgent word was used", section.urgent), ("carried over to a later window", section.carried))
    if said := ", ".join(f"{what}: {count}" for what, count in counts if count):
        yield said
    if section.own_outside:
        yield (
            f"[yellow]your own messages written out of hours: {section.own_outside} of {section.own};"
            " they teach the opposite[/yellow]"
        )


def _fates(promises: Promises) -> str:
    counts = (
        (promises.told, "told"),
        (promises.kept, "kept"),
        (promises.kept_weak, "kept by weaker evidence"),
        (promises.late, "answered late"),
        (promises.overdue, "overdue"),
        (promises.open, "still open"),
        (promises.withdrawn, "withdrawn"),
    )
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{promises.made} promised: {said}" if said else ""


def week_picture(clock: Clock, title: str) -> Text:
    """Draw the week, two characters an hour: 54 columns."""
    most = max(map(max, clock.all))
    picture = Text("\n")
    picture.append(f"{title}\n", style="bold")
    picture.append(f"{'':<{_LABEL}}{''.join(f'{hour:<6d}' for hour in range(0, 24, 3))}24\n", style="dim")
    days = get_day_names("abbreviated", locale="en")
    for weekday, counts in enumerate(clock.all):
        picture.append(f"{days[weekday]:<{_LABEL}}")
        for hour, count in enumerate(counts):
            if count:
                outside = 2 * clock.outside[weekday][hour] >= count
                picture.append(BLOCKS[heat.shade(count, most)] * 2, style="yellow" if outside else "cyan")
            else:
                picture.append((NOTHING_IN_HOURS if clock.usual[weekday][hour] else NOTHING) * 2, style="dim")
        picture.append("\n")
    ranges = (f"{BLOCKS[step]} {low if low == high else f'{low}–{high}'}" for step, low, high in heat.ranges(most))
    legend = [*ranges, f"{NOTHING} none", f"{NOTHING_IN_HOURS} none, in hours"]
    picture.append(f"{'':<{_LABEL}}{'  '.join(legend)}", style="dim")
    return picture
