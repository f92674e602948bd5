"""The commands: one small function each, which reads its words and calls the room that does the work.

Only this floor prints. Exit status as in sysexits(3): 0 fine, 1 failed, 64 usage, 75 temporary, 78 configuration.
Heavy rooms are imported by the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from responder import __version__
from responder.errors import ClockError, ConfigurationError, DamagedError, ResponderError, TemporaryError

EX_FAILED = 1
EX_USAGE = 64
EX_TEMPFAIL = 75
EX_CONFIG = 78

_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (else $CONFIGURATION_DIRECTORY, ./config.toml, ~/.config/responder, /etc/responder).",
)
_STATE = click.option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path, file_okay=False),
    help="The state directory (else $STATE_DIRECTORY, /var/lib/responder for /etc/responder, ~/.local/state).",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
_AT = click.option("--at", "at_words", metavar="TIME", help='As if it were then: "saturday 23:40", «вчера в 22:15».')


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="responder")
def main() -> None:
    """Answer out-of-hours mail with what was agreed, and file it for the next callback window.

    Start with `responder demo`, then `responder init` sets it up for your mailbox.
    """


@main.command(short_help="Show a whole weekend in seconds.", epilog="Example: responder demo --folder ~/responder-demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything is kept (default: a new folder in the present one).",
)
def demo(folder: Path | None) -> None:
    """Show a whole weekend in seconds, with real servers inside this process."""
    from responder.commands import demo as room  # noqa: PLC0415

    sys.exit(room.show(folder))


@main.command(
    short_help="Set it up: a few questions, a tried configuration.",
    epilog="Example: responder init --name 'Anna Svetlova' --address anna@example.com",
)
@click.option("--name", default="", help="Your name, as replies are signed.")
@click.option("--address", "addresses", multiple=True, help="An address clients write to; the first is your login's.")
@click.option("--timezone", default="", metavar="ZONE", help='Where you live: "Europe/Moscow", or a city.')
@click.option("--language", default="", metavar="CODE", help="Your language: ru or en.")
@click.option("--holidays", default="", metavar="COUNTRY", help='Public holidays you keep: "DE", "DE-BY", or "none".')
@click.option("--hours", default="", metavar="WEEK", help='When you work: "mon-fri 10-13 14-19, sat 10-12".')
@click.option("--windows", default="", metavar="WEEK", help='When you call back and answer; "none" for no folders.')
@click.option("--response", default="", metavar="TERM", help='How soon you answer: "1 working day".')
@click.option("--mode", type=click.Choice(["draft", "send"]), default=None, help="draft: a trial week in Drafts.")
@click.option("--imap", default="", metavar="HOST[:PORT]", help="The IMAP server; left out: it is looked for.")
@click.option("--smtp", default="", metavar="HOST[:PORT]", help="The SMTP server; left out: it is looked for.")
@click.option("--username", default="", help="The login's name; left out: the address.")
@click.option("--password-file", default="", metavar="FILE", help="A file that holds the password; - is stdin.")
@click.option("--oauth-client-id", default="", metavar="ID", help="Your application's id, for sign-in by OAuth2.")
@click.option("--start/--no-start", default=None, help="Start it at the end, or do not; left out: you are asked.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take what is given and what would be suggested.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write (else /etc/responder/config.toml as root, ~/.config/responder/config.toml as anybody).",
)
@_STATE
def init(config_path: Path | None, state_path: Path | None, **wish: Any) -> None:
    """Set responder up: find the servers, try the login, ask for hours and clients, write and check the configuration.

    Nothing is written before the end. Without a terminal, or with --yes, what is not given is taken as suggested;
    nobody becomes a client that way: `responder client add` does that.
    """
    from responder.commands import init as room  # noqa: PLC0415
    from responder.commands.init_given import Wish  # noqa: PLC0415

    sys.exit(room.init(config_path, state_path, Wish(**wish)))


@main.command(
    short_help="Validate the file and show what it means.", epilog="Example: responder check --config ./config.toml"
)
@_CONFIG
@_STATE
@click.option("--offline", is_flag=True, help="Look at the file only; ask no server.")
@click.option("--alert", is_flag=True, help="Give a trial alert by [alerts], to see whether it reaches you.")
def check(config_path: Path | None, state_path: Path | None, *, offline: bool, alert: bool) -> None:
    """Validate the file, log in, and show what the rules mean; changes nothing."""
    from responder.commands import check as room  # noqa: PLC0415

    sys.exit(room.check(config_path, state_path, offline=offline, alert=alert))


@main.command("run", epilog="Example: responder run --dry-run")
@_CONFIG
@_STATE
@click.option("--once", is_flag=True, help="Handle what is there and exit; mail younger than the grace time waits.")
@click.option("--dry-run", is_flag=True, help="Decide and print; touch nothing.")
@_AT
def run_daemon(
    config_path: Path | None,
    state_path: Path | None,
    at_words: str | None,
    *,
    once: bool,
    dry_run: bool,
) -> None:
    """Watch the mailboxes: the daemon."""
    from responder.commands import run as room  # noqa: PLC0415

    if at_words and not dry_run:
        raise click.UsageError("--at goes with --dry-run")
    if dry_run:
        sys.exit(room.dry_run(config_path, state_path, at_words))
    sys.exit(room.run(config_path, state_path, once=once))


@main.command(
    short_help="Tell why a message was treated as it was.",
    epilog='Example: responder explain --from ivan@vostok.example --at "saturday 23:40"',
)
@click.argument("what", required=False, metavar="[MESSAGE-ID | FILE.eml]")
@click.option(
    "--from", "sender", metavar="ADDRESS", help="A plain message from this address, as if it came now or --at."
)
@click.option("--last", type=click.IntRange(1, 1000), metavar="N", help="The last N messages decided.")
@_AT
@_JSON
@_CONFIG
@_STATE
def explain(
    what: str | None,
    sender: str | None,
    last: int | None,
    at_words: str | None,
    config_path: Path | None,
    state_path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tell what was decided about a message, or would be: facts, rules, due time, text."""
    from responder.commands import explain as room  # noqa: PLC0415

    if sum(given is not None for given in (what, sender, last)) != 1:
        raise click.UsageError("name one thing: a MESSAGE-ID, a FILE.eml, --from ADDRESS or --last N")
    question = room.Question(what=what, sender=sender, last=last, at_words=at_words)
    sys.exit(room.explain(config_path, state_path, question, as_json=as_json))


@main.command(short_help="Tell whether all is well.", epilog="Example: sudo responder status")
@_JSON
@_CONFIG
@_STATE
def status(config_path: Path | None, state_path: Path | None, *, as_json: bool) -> None:
    """Tell whether it is alive, open or closed, and what is held; exit status 1 when something needs you."""
    from responder.commands import status as room  # noqa: PLC0415

    sys.exit(room.status(config_path, state_path, as_json=as_json))


@main.command(
    short_help="Forget all that is remembered about a person.",
    epilog="Example: sudo responder forget ivan@vostok.example",
)
@click.argument("whom", metavar="ADDRESS")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_JSON
@_CONFIG
@_STATE
def forget(whom: str, config_path: Path | None, state_path: Path | None, *, yes: bool, as_json: bool) -> None:
    """Forget all that is remembered about an address, or with "@vostok.example" about all of a domain.

    Whoever was answered in the present closed period is still not answered again, and a mail that comes back to INBOX
    is still known; neither can be read back. What lies in your mailbox is not touched.
    """
    from responder.commands import forget as room  # noqa: PLC0415

    sys.exit(room.forget(config_path, state_path, whom, yes=yes, as_json=as_json))


@main.command(
    short_help="Copy the ledger and the secret, while the service runs.",
    epilog="Example: sudo responder backup /var/backups/responder.tar",
)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a FILE that is there.")
@_CONFIG
@_STATE
def backup(target: Path, config_path: Path | None, state_path: Path | None, *, force: bool) -> None:
    """Copy what must not be lost into one tar file: the ledger of this moment, and the installation's secret.

    To restore: stop the service, remove ledger.sqlite3-wal and ledger.sqlite3-shm, unpack FILE into the state
    directory, start the service.
    """
    from responder.commands import backup as room  # noqa: PLC0415

    sys.exit(room.backup(config_path, state_path, target, force=force))


@main.command(
    short_help="Tell what the rules would have done with past mail.",
    epilog='Example: responder replay --since "30 days" --diff new.toml',
)
@click.option(
    "--since",
    default="30 days",
    show_default=True,
    metavar="SPAN",
    help='"2 weeks", «месяц», "1 September", 2026-09-01.',
)
@click.option("--folder", "folders", multiple=True, help="Only this folder; may be given several times.")
@click.option(
    "--diff",
    "other",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="OTHER.toml",
    help="Show only what these other rules would do differently.",
)
@click.option("--text", "text_of", default="", metavar="MESSAGE-ID", help="Show the reply to this message as well.")
@_JSON
@_CONFIG
@_STATE
def replay(
    since: str,
    folders: tuple[str, ...],
    other: Path | None,
    text_of: str,
    config_path: Path | None,
    state_path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Let past mail come again under the rules and show what would have been done; changes nothing anywhere."""
    from responder.commands import replay as room  # noqa: PLC0415

    if as_json and other is not None:
        raise click.UsageError("--json shows one set of rules: leave --diff out, and ask twice with --config")
    wish = room.Wish(since=since, folders=folders, other=other, text_of=text_of, as_json=as_json)
    sys.exit(room.replay(config_path, state_path, wish))


@main.command(short_help="Sign a mailbox in by OAuth2, once.", epilog="Example: sudo responder login main")
@click.argument("name", required=False, metavar="[MAILBOX]")
@click.option("--paste", is_flag=True, help="The browser is on another machine: paste the address it ends at.")
@_CONFIG
@_STATE
def login(name: str | None, config_path: Path | None, state_path: Path | None, *, paste: bool) -> None:
    """Sign a mailbox in at its provider; the service then renews the sign-in by itself."""
    from responder.commands import login as room  # noqa: PLC0415

    sys.exit(room.login(config_path, state_path, name, paste=paste))


class _WordsFirst(click.Group):
    """A group whose first word may be the words of its first command: ``away "from friday"`` is ``away plan …``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the first command's name before words that name none."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names) and not ctx.resilient_parsing:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


_YES = click.option("--yes", is_flag=True, help="Do not ask; write it.")


@main.group(
    cls=_WordsFirst,
    short_help="Plan absences.",
    epilog='Example: responder away "from 24 December to 8 January" --deputy "Pyotr Ivanov"',
)
def away() -> None:
    """Plan when you are away: no hours, no calls, and replies that say until when.

    The days may come at once, without the word `plan`. Absences end by themselves; several may be planned.
    """


@away.command("plan", short_help="Plan an absence.", epilog="Example: responder away «с пятницы по понедельник»")
@click.argument("words", nargs=-1, required=True, metavar="DAYS")
@click.option("--say", "say", multiple=True, metavar="TEXT", help="What clients are told, in your language; en=TEXT.")
@click.option("--deputy", default="", metavar="NAME", help="Who stands in for you; clients are told.")
@_YES
@_CONFIG
@_STATE
def away_plan(
    words: tuple[str, ...],
    say: tuple[str, ...],
    deputy: str,
    config_path: Path | None,
    state_path: Path | None,
    *,
    yes: bool,
) -> None:
    """Plan an absence: whole days, the first and the last included."""
    from responder.commands import away as room  # noqa: PLC0415

    wish = room.Wish(words=" ".join(words), say=say, deputy=deputy, yes=yes)
    sys.exit(room.plan(config_path, state_path, wish))


@away.command("list", short_help="List the absences.", epilog="Example: responder away list --json")
@_JSON
@_CONFIG
def away_list(config_path: Path | None, *, as_json: bool) -> None:
    """List the absences that go on, are planned, or ended in the last 30 days."""
    from responder.commands import away as room  # noqa: PLC0415

    sys.exit(room.show(config_path, as_json=as_json))


@away.command("cancel", short_help="Take an absence back.", epilog="Example: responder away cancel 2")
@click.argument("words", nargs=-1, metavar="[NUMBER | DAYS]")
@_YES
@_CONFIG
@_STATE
def away_cancel(words: tuple[str, ...], config_path: Path | None, state_path: Path | None, *, yes: bool) -> None:
    """Take an absence back, by its number in the list or by its days; one that has begun ends with yesterday."""
    from responder.commands import away as room  # noqa: PLC0415

    sys.exit(room.cancel(config_path, state_path, " ".join(words), yes=yes))


@main.group(
    short_help="Add, list, show and remove clients.",
    epilog="Example: responder client add vostok --address ivan@vostok.example --timezone Asia/Vladivostok",
)
def client() -> None:
    """Keep the clients in clients.toml beside the configuration; what was written there by hand stays as it is."""


@client.command("add", short_help="Add a client.", epilog="Example: responder client add vostok")
@click.argument("key")
@click.option("--name", default="", help="What the client is called.")
@click.option("--address", "addresses", multiple=True, help="An address, or a domain as @vostok.example; repeatable.")
@click.option("--person", "people", multiple=True, metavar="ADDRESS=NAME", help="How you address somebody; repeatable.")
@click.option("--timezone", default="", metavar="ZONE", help='Where they are: "Asia/Vladivostok", or a city.')
@click.option("--language", default="", metavar="CODE", help="Language of the replies; left out: yours.")
@click.option("--phone", default="", help="The number you call back.")
@click.option("--response", default="", metavar="TERM", help='"4 working hours", "2 working days", "next window".')
@click.option("--agreement", default="", metavar="NAME", help="The document that holds the rules, as it is cited.")
@click.option("--version", "version", default="", help="Its version.")
@click.option("--from", "from_words", default="", metavar="DAY", help="The first day it is in force.")
@click.option("--until", "until_words", default="", metavar="DAY", help="The last day it is in force.")
@click.option("--urgent-word", default="", metavar="WORD", help="Agreed word that alerts you, in a subject.")
@_YES
@_CONFIG
@_STATE
def client_add(config_path: Path | None, state_path: Path | None, **wish: Any) -> None:
    """Add a client; addresses and zone are asked for if you leave them out."""
    from responder.commands import client as room  # noqa: PLC0415

    sys.exit(room.add(config_path, state_path, room.Wish(**wish)))


@client.command("list", short_help="List the clients.", epilog="Example: responder client list")
@_JSON
@_CONFIG
def client_list(config_path: Path | None, *, as_json: bool) -> None:
    """List the clients with their addresses, and what time it is there."""
    from responder.commands import client_card as room  # noqa: PLC0415

    sys.exit(room.list_clients(config_path, as_json=as_json))


@client.command("show", short_help="Show one client.", epilog="Example: responder client show vostok --json")
@click.argument("key")
@_JSON
@_CONFIG
@_STATE
def client_show(key: str, config_path: Path | None, state_path: Path | None, *, as_json: bool) -> None:
    """Show all that holds for one client: zone, terms, agreement, hours for calls, last mail and open promises."""
    from responder.commands import client_card as room  # noqa: PLC0415

    sys.exit(room.show(config_path, state_path, key, as_json=as_json))


@client.command("remove", short_help="Remove a client.", epilog="Example: responder client remove vostok")
@click.argument("key")
@_YES
@_CONFIG
@_STATE
def client_remove(key: str, config_path: Path | None, state_path: Path | None, *, yes: bool) -> None:
    """Remove a client from clients.toml; open promises are named first."""
    from responder.commands import client as room  # noqa: PLC0415

    sys.exit(room.remove(config_path, state_path, key, yes=yes))


@main.command(
    short_help="Tell what a span of time came to, client by client.",
    epilog='Example: responder report --since "30 days" --client vostok --html vostok.html',
)
@click.option(
    "--since", required=True, metavar="SPAN", help='"30 days", «месяц», "1 September" or 2026-09-01, by your clock.'
)
@click.option("--until", default="", metavar="TIME", help="Where it ends; a day belongs to it. Left out: now.")
@click.option("--client", default="", metavar="KEY", help="This client alone: nothing of any other is shown.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one page to print or hand over instead, readable to you only.",
)
@click.option("--language", default="", metavar="CODE", help="The page's language; left out: yours.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@_JSON
@_CONFIG
@_STATE
def report(
    since: str,
    until: str,
    client: str,
    config_path: Path | None,
    state_path: Path | None,
    *,
    html: Path | None,
    language: str,
    force: bool,
    as_json: bool,
) -> None:
    """Tell who wrote when, what was promised and kept, and how fast the answers were."""
    from responder.commands import report as room  # noqa: PLC0415

    if html is None and (force or language):
        raise click.UsageError("--force and --language go with --html")
    wish = room.Wish(
        since=since, until=until, client=client, html=html, language=language, force=force, as_json=as_json
    )
    sys.exit(room.report(config_path, state_path, wish))


@main.command(
    short_help="Print the completion of a shell.",
    epilog="Example: responder completion bash > ~/.local/share/bash-completion/completions/responder",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets your shell complete commands and options."""
    from responder.commands import manual as room  # noqa: PLC0415

    click.echo(room.completion(main, shell))


@main.command("man", short_help="Print the man page.", epilog="Example: responder man | man -l -")
def man_page() -> None:
    """Print the man page, made from the commands of this very version."""
    from responder.commands import manual as room  # noqa: PLC0415

    click.echo(room.man_page(main, __version__), nl=False)


@main.command(short_help="Tell whom to call today.", epilog="Example: sudo responder today")
@_JSON
@_CONFIG
@_STATE
def today(config_path: Path | None, state_path: Path | None, *, as_json: bool) -> None:
    """Show the digest as it stands now: what is late, whom to call in which window, what was held."""
    from responder.commands import today as room  # noqa: PLC0415

    sys.exit(room.today(config_path, state_path, as_json=as_json))


def _fail(error: ResponderError) -> NoReturn:
    code = {
        ConfigurationError: EX_CONFIG,
        DamagedError: EX_CONFIG,
        TemporaryError: EX_TEMPFAIL,
        ClockError: EX_TEMPFAIL,
    }
    click.echo(str(error), err=True)
    sys.exit(next((number for kind, number in code.items() if isinstance(error, kind)), EX_FAILED))


def run() -> None:
    """Run the command line; errors that a person can act on are printed plainly, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows "?" for what it does not have
    try:
        main(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(EX_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(EX_FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except ResponderError as error:
        _fail(error)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
