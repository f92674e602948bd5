"""The man page and the shell completion, both made from the commands themselves: they cannot tell of others.

For ``responder man`` and ``responder completion``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "responder"

EXIT_STATUS = (
    ("0", "fine"),
    ("1", "failed, or something needs you"),
    ("64", "wrong usage"),
    ("75", "temporary: try again later"),
    ("78", "the configuration has errors"),
)
FILES = (
    ("config.toml", "the rules: from --config, $CONFIGURATION_DIRECTORY, ./, ~/.config/responder or /etc/responder"),
    ("clients.toml", "more clients, beside it"),
    ("absences.toml", "when you are away, beside it"),
    ("ledger.sqlite3", "what was seen, decided and promised, in the state directory"),
)


def completion(group: click.Group, shell: str) -> str:
    """Return the script that makes the shell complete our commands and options."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - the command line lets no other shell through
    return made(group, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source()


def man_page(group: click.Group, version: str) -> str:
    """Return the man page in roff, for section 1."""
    return "\n".join(_page(group, version)) + "\n"


def _page(group: click.Group, version: str) -> Iterator[str]:
    context = click.Context(group, info_name=PROGRAM)
    first, _, rest = (group.help or "").partition("\n\n")
    yield f'.TH {PROGRAM.upper()} 1 "" "{PROGRAM} {version}" "User Commands"'
    yield ".SH NAME"
    yield f"{PROGRAM} \\- {_plain(first).rstrip('.')}"
    yield ".SH SYNOPSIS"
    yield f".B {PROGRAM}\n.I COMMAND\n[\\fIOPTIONS\\fR]"
    yield ".SH DESCRIPTION"
    yield _plain(rest)
    yield ".SH COMMANDS"
    yield from _commands(group, context)
    yield ".SH EXIT STATUS"
    for number, meaning in EXIT_STATUS:
        yield f".TP\n.B {number}\n{_plain(meaning)}"
    yield ".SH FILES"
    for name, meaning in FILES:
        yield f".TP\n.I {_plain(name)}\n{_plain(meaning)}"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield f".SS {_plain(' '.join([inner.command_path.partition(' ')[2], *command.collect_usage_pieces(inner)]))}"
        yield _plain(command.help or "")
        for parameter in command.params:  # without --help, which they all have
            record = parameter.get_help_record(inner) if isinstance(parameter, click.Option) else None
            if record is not None:
                yield f".TP\n\\fB{_plain(record[0])}\\fR\n{_plain(record[1])}"
        if command.epilog:
            yield f".PP\n\\fI{_plain(command.epilog)}\\fR"
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _plain(text: str) -> str:
    r"""Return the text as roff takes it: a backslash, a hyphen and a line's first dot mean something there."""
    lines = (" ".join(part.split()) for part in text.split("\n\n"))
    escaped = "\n.PP\n".join(line for line in lines if line).replace("\\", "\\e").replace("-", "\\-")
    return escaped.replace("\n.PP\n", "\0").replace("\n.", "\n\\&.").replace("\0", "\n.PP\n").removeprefix(".")
