"""The commands: one small function each, which reads its words and calls the room that does the work.

Only this floor prints. Exit status as in sysexits(3): 0 fine, 1 failed, 64 usage, 75 temporary, 78 configuration.
Heavy rooms are imported by the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

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

    Start with `responder demo`, then write config.toml and ask `responder check`.
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
    short_help="Validate the file and show what it means.", epilog="Example: responder check --config ./config.toml"
)
@_CONFIG
@click.option("--offline", is_flag=True, help="Look at the file only; ask no server.")
def check(config_path: Path | None, *, offline: bool) -> None:
    """Validate the file, log in, and show what the rules mean; changes nothing."""
    from responder.commands import check as room  # noqa: PLC0415

    sys.exit(room.check(config_path, offline=offline))


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
