"""The report's page: words in both languages, exact shares and lengths, nothing of others or from outside."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from string import Formatter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from responder.core import heat
from responder.core.report import make_report
from responder.core.report_page import report_html
from responder.core.report_rows import Chronicle
from responder.core.report_words import Voice, make_page
from responder.core.words import languages, words_of
from tests.core import build
from tests.core.test_report import SINCE, UNTIL, row, wrote
from tests.pictures import DESK, PHONE, picture_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from responder.core.model import Policy
    from tests.pictures import Browser

LANGUAGES = sorted(languages())
HOSTILE = '<script>alert("1")</script>&amp;"\'><img src=http://evil.example/x onerror=alert(1)>{{ 7*7 }}\u202e'
NBSP = "\N{NO-BREAK SPACE}"


def rules(**names: str) -> Policy:
    """Return rules with three clients of two zones."""
    said = {"vostok": "ООО «Восток»", "harbor": "Harbor Lane Studio", "linden": "Linden & Partner"} | names
    zones = {"vostok": "Asia/Vladivostok", "harbor": "America/New_York", "linden": "Europe/Moscow"}
    return build.policy(clients=tuple(build.client(key, name=said[key], zone=zones[key]) for key in zones))


def month(*clients: str) -> Chronicle:
    """Return a month in which each client wrote eight messages of all kinds, and the owner four."""
    due, kept = "2026-11-24 19:00", "2026-11-24 12:00"
    told = "2026-11-20 20:05"
    rows = [
        one
        for client in clients
        for one in (
            row("2026-11-20 20:00", client, promise="kept", due_at=due, ended_at=kept, told_at=told, reply="full"),
            row("2026-11-20 20:01", client, promise="kept", due_at=due, ended_at=kept, weak="moved", carried=1),
            row("2026-11-20 21:03", client, promise="late", due_at=due, ended_at="2026-11-25 12:00", urgent=True),
            row("2026-11-21 20:04", client, promise="late", due_at=due, ended_at="2026-11-25 12:00", weak="answered"),
            row("2026-11-22 20:05", client, promise="open", due_at=due),
            row("2026-11-22 22:06", client, promise="open", due_at="2026-12-02 19:00"),
            row("2026-11-23 02:07", client, promise="withdrawn", due_at=due),
            row("2026-11-23 15:30", client, reason="open"),
        )
    ]
    own = [wrote(f"2026-11-{day} 23:30", f"ivan@{client}.example") for day in (14, 15, 21, 22) for client in clients]
    return Chronicle(rows=rows, wrote=own)


def html(language: str = "ru", *, client: str = "", policy: Policy | None = None, chronicle: Chronicle) -> str:
    """Return the page."""
    span: dict[str, Any] = {"since_at": SINCE, "until_at": UNTIL, "made_at": UNTIL, "client": client}
    return report_html(make_report(policy or rules(), chronicle, **span), language)


ALL = ("vostok", "harbor", "linden")


# ------------------------------------------------------------------------------------------- words


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield f"{path}.{key}", value
        elif not path.endswith(".counts"):
            yield from _leaves(value, f"{path}.{key}")


def _fields(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_of_a_report(language: str) -> None:
    """A phrase that one language has, every language has, with the same values; counts have all their plural forms."""
    words, english = (dict(_leaves(words_of(each, "report"))) for each in (language, "en"))
    assert words.keys() == english.keys()
    assert {key: _fields(text) for key, text in words.items()} == {key: _fields(text) for key, text in english.items()}
    counts = words_of(language, "report")["counts"]
    assert counts.keys() == words_of("en", "report")["counts"].keys()
    forms = {Voice(language)._locale.plural_form(number) for number in range(200)} | {"other"}
    assert all(set(each) == forms for each in counts.values())


@pytest.mark.parametrize("table", ["report", "no-such-table"])
def test_a_table_of_words_is_that_of_a_built_in_language(table: str) -> None:
    """Neither a language nor a table that is not there is made up."""
    with pytest.raises(KeyError):
        words_of("xx" if table == "report" else "en", table)


@pytest.mark.parametrize(
    ("length", "in_days", "russian", "english"),
    [
        (None, True, "–", "–"),
        (timedelta(), True, "0 мин", "0 min"),
        (timedelta(minutes=59, seconds=29), True, "59 мин", "59 min"),
        (timedelta(minutes=59, seconds=31), True, "1 ч", "1 h"),
        (timedelta(hours=3, minutes=5), True, "3 ч 5 мин", "3 h 5 min"),
        (timedelta(hours=47, minutes=59), True, "47 ч 59 мин", "47 h 59 min"),
        (timedelta(hours=48), True, "2 дня", "2 days"),
        (timedelta(days=5, hours=1), True, "5 дней 1 ч", "5 days 1 h"),
        (timedelta(days=21, hours=23, minutes=40), True, "22 дня", "22 days"),
        (timedelta(hours=53), False, "53 ч", "53 h"),
    ],
)
def test_a_length_is_said_as_a_person_says_it(
    length: timedelta | None, *, in_days: bool, russian: str, english: str
) -> None:
    """Long ones in days, with the right plural; working hours are never days."""
    said = [Voice(language).length(length, in_days=in_days).replace(NBSP, " ") for language in ("ru", "en")]
    assert said == [russian, english]


@pytest.mark.parametrize(
    ("part", "of", "said"),
    [(0, 0, "–"), (0, 9, "0%"), (1, 1000, "1%"), (999, 1000, "99%"), (9, 9, "100%"), (2, 3, "67%")],
)
def test_a_share_never_says_all_or_none_of_some(part: int, of: int, said: str) -> None:
    """0 % is none and 100 % is all."""
    assert Voice("en").share(part, of) == said


def test_clients_left_out_are_counted_in_words() -> None:
    """The plural is the language's."""
    said = [Voice("ru").count("silent", number).split(" за ")[0] for number in (1, 2, 5, 21)]
    assert said == ["Ещё 1 клиент", "Ещё 2 клиента", "Ещё 5 клиентов", "Ещё 21 клиент"]


def test_a_place_is_named_in_the_language_and_a_zone_without_one_by_its_key() -> None:
    """UTC is no city."""
    voice = Voice("ru")
    assert [voice.city(ZoneInfo(key)) for key in ("Asia/Vladivostok", "UTC", "Etc/UTC")] == [
        "Владивосток", "UTC", "Etc/UTC",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------ shades


@pytest.mark.parametrize(
    ("most", "legend", "shades"),
    [
        (1, [(1, 1, 1)], {1: 1}),
        (3, [(1, 1, 1), (2, 2, 2), (3, 3, 3)], {1: 1, 3: 3}),
        (6, [(1, 1, 1), (2, 2, 3), (3, 4, 4), (4, 5, 6)], {1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4}),
        (100, [(1, 1, 25), (2, 26, 50), (3, 51, 75), (4, 76, 100)], {25: 1, 26: 2, 75: 3, 76: 4}),
    ],
)
def test_the_legend_says_what_each_shade_stands_for(
    most: int, legend: list[tuple[int, int, int]], shades: dict[int, int]
) -> None:
    """Shades and legend are of one mind, and a single message never looks like the worst there could be."""
    assert list(heat.ranges(most)) == legend
    assert {count: heat.shade(count, most) for count in shades} == shades
    for step, low, high in legend:
        assert {heat.shade(count, most) for count in range(low, min(high, most) + 1)} == {step}
    assert heat.shade(0, most) == 0


# -------------------------------------------------------------------------------------------- page


class _Reader(HTMLParser):
    """What stands in a page: elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._silent = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in one element."""
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        self._silent = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Note that the style sheet is over."""
        self._silent = self._silent and tag != "style"

    def handle_data(self, data: str) -> None:
        """Take in text."""
        if not self._silent:
            self.text.append(data)

    @property
    def words(self) -> str:
        """The text in one line."""
        return " ".join(" ".join(self.text).split())


@pytest.mark.parametrize("client", ["", "harbor"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_needs_nothing_from_outside_and_is_accessible(language: str, client: str) -> None:
    """No script, no address, no picture file; each drawing has a title and a description and its numbers in a table."""
    page = html(language, client=client, chronicle=month(*ALL))
    found = _Reader(page)
    tags = {tag for tag, _ in found.elements}
    assert tags.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "image", "use", "base"})
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert {name for _, said in found.elements for name in said if name.startswith("on") or name == "src"} == set()
    assert all(said["href"].startswith("#") for tag, said in found.elements if tag == "a")
    assert ("html", {"lang": language}) in found.elements
    ids = [said["id"] for _, said in found.elements if "id" in said]
    assert len(ids) == len(set(ids))
    named = {name for _, said in found.elements for name in said.get("aria-labelledby", "").split()}
    links = {said["href"][1:] for tag, said in found.elements if tag == "a"}
    assert named | links <= set(ids)
    drawings = [said for tag, said in found.elements if tag == "svg" and said.get("role") == "img"]
    assert drawings
    assert all(len(said["aria-labelledby"].split()) == 2 for said in drawings)
    weeks = sum("week" in said.get("class", "").split() for said in drawings)
    assert sum(said.get("class") == "grid" for tag, said in found.elements if tag == "table") == weeks
    assert "{" not in found.words
    assert "None" not in found.words


def test_one_clients_page_holds_nothing_of_any_other() -> None:
    """Neither a name nor a key nor a count of another, no total, no list, and no advice that is for the owner."""
    chronicle = month(*ALL)
    every = html("en", chronicle=chronicle)
    page = html("en", client="harbor", chronicle=chronicle)
    alone = html("en", client="harbor", chronicle=month("harbor"))
    others = ("Восток", "vostok", "Linden", "linden", "Vladivostok", "All clients", "tells the client that writing")
    assert all(word in every for word in others if word not in ("vostok", "linden"))
    assert not any(word in page for word in others)
    assert page == alone
    assert "Harbor Lane Studio" in page


def test_no_address_stands_on_any_page() -> None:
    """The page tells of figures, and of nobody's mail address."""
    assert "@vostok" not in html(chronicle=month(*ALL))
    assert "ivan@" not in html(chronicle=month("vostok", "gone"))


@pytest.mark.parametrize("client", ["", "vostok"])
def test_a_hostile_name_is_text(client: str) -> None:
    """Markup, quotes, template signs and marks that turn the writing direction do nothing on a page."""
    policy = rules(vostok=HOSTILE)
    policy = build.policy(clients=policy.clients, owner=build.owner(name=f"</title>{HOSTILE}"))
    page = html("en", client=client, policy=policy, chronicle=month("vostok"))
    found = _Reader(page)
    assert {tag for tag, _ in found.elements}.isdisjoint({"script", "img"})
    assert 'alert("1")' in found.words
    assert "{{ 7*7 }}" in found.words
    assert "\u202e" not in page


def test_the_figures_stand_on_the_page_in_words() -> None:
    """Weaker evidence is said to be that, wherever it is counted, and explained at the foot."""
    said = _Reader(html("en", client="vostok", chronicle=month("vostok"))).words.replace(NBSP, " ")
    for expected in (
        "Mail and promises: ООО «Восток»",
        "1 November 2026, 00:00 – 1 December 2026, 00:00 (clock: Moscow)",
        "8 messages",
        "88% out of hours 7 of 8",
        "40% of the answers due came in time 2 of 5, of them 1 by weaker evidence",
        "Kept, by weaker evidence 1",
        "Answered late 2 of them by weaker evidence 1",
        "Overdue, unanswered 1",
        "Open, not yet due 1",
        "Withdrawn 1",
        "Answers timed 4 of them by weaker evidence 2",
        "Uses of the urgent word 1",
        "Owner's own messages to the client out of hours 4 of 4",
        "Out of hours most messages come on Friday (3 of 7) and between 20:00 and 23:00 (6 of 7).",
        "“By weaker evidence”: the answer itself was not seen",
    ):
        assert expected in said
    without = Chronicle(rows=month("vostok").rows[:1], wrote=())
    plain = _Reader(html("en", client="vostok", chronicle=without)).words
    assert "weaker evidence”" not in plain


def test_the_numbers_of_a_picture_are_those_of_its_week() -> None:
    """The table beside a drawing adds up to the messages, hour by hour of that clock."""
    span: dict[str, Any] = {"since_at": SINCE, "until_at": UNTIL, "made_at": UNTIL, "client": "vostok"}
    page = make_page(make_report(rules(), month("vostok"), **span), "ru")
    here, there = page.parts[0].pictures
    assert [sum(map(sum, (counts for _, counts in each.table))) for each in (here, there)] == [8, 8]
    assert dict(here.table)["20:00–21:00"] == (0, 0, 0, 0, 2, 1, 1)
    assert dict(there.table)["03:00–04:00"] == (1, 0, 0, 0, 0, 2, 1)
    assert (here.caption, there.caption) == ("Часы: Москва", "Часы: Владивосток")
    assert [said for cell, said in here.cells if (cell.weekday, cell.hour) == (4, 20)] == [
        "пятница, 20:00–21:00: 2, из них вне часов: 2"
    ]


def test_a_span_without_mail_is_a_page_too() -> None:
    """Nothing is drawn, and it is said."""
    said = _Reader(html("ru", chronicle=Chronicle(rows=(), wrote=()))).words
    assert "За это время писем не было." in said
    assert "Ещё 3 клиента за это время ничего не написали." in said


# ------------------------------------------------------------------------------------ as it is seen


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_fits_a_phone_and_a_desk(browser: Browser, tmp_path: Path, width: int, *, dark: bool) -> None:
    """Nothing reaches beyond the window or is asked for, names however long; colours follow the reader's system."""
    folder = picture_folder(tmp_path)
    policy = rules(harbor="Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenversicherung" * 2)
    seen = {}
    for named, page in (
        ("all", html("ru", policy=policy, chronicle=month("vostok", "harbor"))),
        ("client", html("en", client="vostok", chronicle=month("vostok"))),
    ):
        to = folder / f"report-{named}-{width}-{'dark' if dark else 'light'}.png"
        look = browser.look(page, width=width, dark=dark, to=to)
        assert (look.width, look.wide, look.asked, look.scripts) == (width, [], [], 0)
        seen[named] = look
    light = seen["all"].background == "rgb(255, 255, 255)"
    assert light is not dark
    assert "Письма и обещания" in seen["all"].text


def test_each_client_gets_a_sheet_of_paper(browser: Browser) -> None:
    """One client's page takes a sheet, or little more with another machine's letters; each of several begins one."""
    one = browser.sheets(html("ru", client="vostok", chronicle=month("vostok")))
    assert one in (1, 2)
    assert 4 <= browser.sheets(html("ru", chronicle=month(*ALL))) <= 2 + 3 * 2
