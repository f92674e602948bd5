"""What ``init`` decides without a server: where it may write, what stays as it was, what it prints for a shell."""

from __future__ import annotations

import io
import os
import shlex
import stat
import sys
import tomllib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from responder import config
from responder.adapters.discovery import Found
from responder.adapters.oauth_tokens import Tokens, TokenStore
from responder.commands import init, init_draft, init_given, init_rules, init_servers, service
from responder.commands.asking import Asker
from responder.commands.init_draft import Draft, credential_file, write_files
from responder.commands.init_given import Wish
from responder.commands.init_people import ask_clients
from responder.config import Server
from responder.core.correspondents import Correspondence
from responder.errors import ConfigurationError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLIENT = '# By hand.\n[clients.vostok]\naddresses = ["ivan@vostok.example"]\ntimezone = "Asia/Vladivostok"\n'


def draft(**more: object) -> Draft:
    """Return a conversation's answers."""
    return replace(Draft(name="Anna", addresses=["anna@example.com"], password="new"), **more)  # type: ignore[arg-type]


def letters(sender: str) -> Correspondence:
    """Return a past in which somebody wrote to the owner alone, again and again."""
    past = Correspondence(["anna@example.com"], ())
    for _ in range(3):
        past.came(f"From: {sender}\r\nTo: anna@example.com\r\n".encode(), None)
    return past


def answers(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Let somebody type these answers."""
    typed = iter(texts)
    monkeypatch.setattr("click.prompt", lambda *_, default="", **__: next(typed) or default)


# -------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("failing", ["main", "clients.toml", "config.toml"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_cannot_be_written_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, error: BaseException
) -> None:
    """A full disk, or Ctrl-C meanwhile: the password and the clients that lay there stay, and nothing is added."""
    path = tmp_path / "config.toml"
    secret = credential_file(path)
    secret.parent.mkdir()
    secret.write_text("old\n")
    (tmp_path / "clients.toml").write_text(CLIENT)
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    written = os.fsync
    stages = iter(["main", "clients.toml", "config.toml"])

    def fsync(descriptor: int) -> None:
        if next(stages) == failing:
            raise error
        written(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises((ConfigurationError, KeyboardInterrupt)):
        write_files(path, draft(clients={"maya": {"addresses": ["maya@harborlane.example"], "timezone": "UTC"}}))
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_clients_that_lie_there_are_added_to(tmp_path: Path) -> None:
    """Their comments, their mode and a link stay; the password is its owner's alone."""
    path = tmp_path / "here/config.toml"
    path.parent.mkdir()
    kept = tmp_path / "kept.toml"
    kept.write_text(CLIENT)
    kept.chmod(0o640)
    (path.parent / "clients.toml").symlink_to(kept)
    maya = {"addresses": ["maya@harborlane.example"], "timezone": "America/New_York"}
    written = write_files(path, draft(clients={"maya": maya}))
    assert written == [credential_file(path), kept, path]
    assert kept.read_text().startswith(CLIENT)
    assert set(tomllib.loads(kept.read_text())["clients"]) == {"vostok", "maya"}
    modes = [stat.S_IMODE(each.stat().st_mode) for each in written]
    assert modes == [0o600, 0o640, 0o600]
    assert [client.key for client in config.load(path).policy.clients] == ["vostok", "maya"]


def test_a_client_that_lies_there_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A firm's own label that is taken gets a number; somebody who is a client already is left out."""
    path = tmp_path / "config.toml"
    (tmp_path / "clients.toml").write_text(CLIENT)
    chosen = draft()
    out = Console(file=io.StringIO(), width=200)
    answers(monkeypatch, "1", "", "", "", "")
    ask_clients(Asker(on_terminal=True), out, chosen, path, letters("maya@vostok.test"))
    assert list(chosen.clients) == ["vostok-2"]
    answers(monkeypatch, "1", "")
    ask_clients(Asker(on_terminal=True), out, chosen, path, letters("ivan@vostok.example"))
    assert list(chosen.clients) == ["vostok-2"]
    assert "is left out" in out.file.getvalue()  # type: ignore[attr-defined]


def test_faults_of_files_that_lie_there_are_told_first(tmp_path: Path) -> None:
    """Before any question; a client's term that asks for windows is none: they are still to come."""
    path = tmp_path / "config.toml"
    clients = tmp_path / "clients.toml"
    clients.write_text(CLIENT + 'response = "next window"\n')
    draft().check_beside(path)
    draft().account(path)
    clients.write_text(CLIENT + "langauge = 'ru'\n")
    with pytest.raises(config.ConfigProblems) as refused:
        draft().check_beside(path)
    assert [each.file for each in refused.value.problems] == [str(clients)]
    draft().account(path)
    clients.write_text(CLIENT.replace("ivan@vostok.example", "anna@example.com"))
    with pytest.raises(config.ConfigProblems, match="your own address"):
        draft().check_beside(path)


def test_a_place_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    """Not after three minutes of answers."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="nothing can be written in"):
        init.init(tmp_path / "file/responder/config.toml", None, Wish())


# --------------------------------------------------------------------------------- the command line


def test_a_term_of_the_command_line_counts_with_the_windows_that_will_be_suggested(tmp_path: Path) -> None:
    """A promise of the next window needs windows, and those are suggested; with "none" it is refused."""
    wish = Wish(response="next window")
    assert init_rules.given_week(draft(), tmp_path / "config.toml", init_given.read_given(wish)) == []
    refused = init_rules.given_week(
        draft(), tmp_path / "config.toml", init_given.read_given(replace(wish, windows="none"))
    )
    assert [fault.partition(":")[0] for fault in refused] == ["--response"]


def test_what_is_printed_for_a_shell_is_one_word_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may be a stranger's trap, a path may have spaces: neither is ever run or cut."""
    out = io.StringIO()
    past = letters("`reboot`|sh@evil.example")
    ask_clients(Asker(on_terminal=False), Console(file=out, width=200), draft(), tmp_path / "config.toml", past)
    line = next(each for each in out.getvalue().splitlines() if "responder client add" in each)
    assert shlex.split(line)[4:6] == ["--address", "`reboot`|sh@evil.example"]
    assert "'`reboot`|sh@evil.example'" in line
    monkeypatch.setattr("responder.config.find", lambda *_: tmp_path)
    words = init._options(tmp_path / "two words/config.toml", None)
    assert shlex.split(shlex.join(words)) == ["--config", str(tmp_path / "two words/config.toml")]


# ------------------------------------------------------------------------------------------- login


class Doors(init_servers.Account):
    """An account at servers that let in by what ``opens`` says, and note each try."""

    def __init__(self, opens: Callable[[str, Draft], bool], path: Path, given: Wish) -> None:
        self.draft = draft(password="")
        super().__init__(Asker(on_terminal=True), Console(file=io.StringIO()), self.draft, path, given)
        self.opens = opens
        self.tried: list[str] = []

    async def _try(self, kind: str) -> str:
        self.tried.append(f"{kind} {self.draft.password}")
        if not self.opens(kind, self.draft):
            raise ConfigurationError("the server refused the login")
        return "in"

    async def _try_imap(self, state: Path) -> str:
        assert state.name.startswith("responder-init-")
        return await self._try("imap")

    async def _try_smtp(self, state: Path) -> str:
        assert state.name.startswith("responder-init-")
        return await self._try("smtp")


def test_another_password_is_tried_at_both_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the second server takes may be wrong at the first, which had taken the one before."""
    answers(monkeypatch, "first", "", "second", "", "", "both")
    accepted = {"imap": {"first", "both"}, "smtp": {"second", "both"}}
    account = Doors(lambda kind, chosen: chosen.password in accepted[kind], tmp_path / "config.toml", Wish())
    account.draft.username = "anna"
    account.log_in()
    assert account.draft.password == "both"
    assert account.tried == ["imap first", "smtp first", "imap second", "imap both", "smtp both"]


def test_after_a_second_refusal_the_server_is_asked_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's server refuses every password: then it is the server that has to be mended."""
    answers(monkeypatch, "secret", "", "secret", "imap.right.example", "", "secret")
    right = "imap.right.example"
    account = Doors(lambda kind, chosen: kind == "smtp" or chosen.imap.host == right, tmp_path / "c.toml", Wish())
    account.draft.username = "anna"
    account.log_in()
    assert account.draft.imap.host == right
    assert account.tried == ["imap secret"] * 3 + ["smtp secret"]


def test_tokens_that_a_failing_login_has_rotated_are_kept(tmp_path: Path) -> None:
    """Else the next try would show the provider a refresh token that is used up, and the sign-in would be gone."""
    account = Doors(lambda *_: True, tmp_path / "c.toml", Wish())
    account.tokens = Tokens(refresh_token="first")

    async def rotate_and_fail(state: Path) -> None:
        store = TokenStore(state, init_draft.MAILBOX)
        assert store.read() == Tokens(refresh_token="first")
        store.save(Tokens(refresh_token="second"))
        raise TemporaryError("the server is down")

    with pytest.raises(TemporaryError):
        account.run(rotate_and_fail)
    assert account.tokens == Tokens(refresh_token="second")


def test_a_refused_sign_in_may_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the application that is known already; the tokens of the new sign-in count."""
    answers(monkeypatch, "anna")
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    signed = iter([Tokens(refresh_token="first"), Tokens(refresh_token="second")])
    monkeypatch.setattr(init_servers.login, "sign_in", lambda *_, **__: next(signed))
    account = Doors(lambda *_: account.tokens == Tokens(refresh_token="second"), tmp_path / "c.toml", Wish())
    account._sign_in({"provider": "microsoft"}, "an-application")
    assert not account._let_in("imap", account._try_imap)
    assert account._let_in("imap", account._try_imap)
    assert account.draft.oauth2 == {"provider": "microsoft", "client_id": "an-application"}


def test_a_sign_in_without_its_extra_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client id helps where the library is missing; what to install is said."""
    monkeypatch.setattr(init_servers, "find_spec", lambda _: None)
    account = Doors(lambda *_: True, tmp_path / "c.toml", Wish())
    with pytest.raises(ConfigurationError, match=r"pip install .*\[oauth\].*, and begin again"):
        account._sign_in({"provider": "microsoft"}, "")


@pytest.mark.parametrize(("given", "installed"), [(None, False), (False, False), (True, True)])
def test_nothing_is_installed_that_nobody_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, given: bool | None, installed: bool
) -> None:
    """Without a terminal the service is made and started by --start alone."""
    done: list[Path] = []
    monkeypatch.setattr(service, "is_for", lambda _: True)
    monkeypatch.setattr(service, "install", lambda _, path, **__: bool(done.append(path)))
    console, silent = Console(file=io.StringIO()), Asker(on_terminal=False)
    init._start(silent, console, tmp_path, None, Wish(start=given), with_password=True)
    assert bool(done) is installed


def test_a_password_typed_for_standard_input_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--password-file -`` on a terminal asks as for any password."""
    hidden: list[bool] = []

    def prompt(*_: object, hide_input: bool = False, **__: object) -> str:
        hidden.append(hide_input)
        return "secret"

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr("responder.commands.edit.on_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("seen\n"))
    account = Doors(lambda *_: True, tmp_path / "config.toml", Wish(password_file="-", yes=True))
    account.log_in()
    assert (account.draft.password, hidden) == ("secret", [True])


def test_servers_that_only_the_dns_names_are_confirmed_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming one server on the command line does not confirm the other."""
    there = Server(host="smtp.elsewhere.example", port=465, security="tls")
    found = Found(imap=there, smtp=there, username="anna", source="the DNS", elsewhere=True)
    monkeypatch.setattr(init_servers, "find_servers", lambda *_: found)
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_: bool(asked.append(question)))
    answers(monkeypatch, "smtp.example.com")
    account = Doors(lambda *_: True, tmp_path / "config.toml", Wish(imap="imap.example.com"))
    account.find()
    assert asked == ["Use this? SMTP smtp.elsewhere.example:465 tls"]
    assert (account.draft.imap.host, account.draft.smtp.host) == ("imap.example.com", "smtp.example.com")


# ----------------------------------------------------------------------------------------- service


def test_a_python_that_the_service_cannot_see_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in /opt may run on a Python in root's home."""
    program = tmp_path / "bin/responder"
    program.parent.mkdir()
    program.write_text("")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/python").write_text("")
    (tmp_path / "bin/python").symlink_to(tmp_path / "home/python")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(service, "_HIDDEN", (str(tmp_path / "home"),))
    monkeypatch.setattr(service, "_do", lambda *_: pytest.fail("something was done"))
    with pytest.raises(ConfigurationError, match="home/python: the service could not run it"):
        service.install(Console(file=io.StringIO()), tmp_path / "config.toml", with_password=True)


def test_half_a_unit_is_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the next attempt must not find a unit that "is there already"."""
    folder = tmp_path / "units"
    folder.mkdir()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with suppress(OSError):
        init_draft.stage(folder / "responder.service", "[Unit]\n", 0o644)
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(service, "UNIT", folder / "responder.service")
    monkeypatch.setattr(service, "_HIDDEN", ())
    monkeypatch.setattr(service, "hand_over", lambda *_: None)
    monkeypatch.setattr(service, "SERVICE", "root")
    monkeypatch.setattr(service, "_do", lambda *_: None)
    with pytest.raises((PermanentError, ConfigurationError), match="cannot be written"):
        service.install(Console(file=io.StringIO()), tmp_path / "config.toml", with_password=True)
    assert list(folder.iterdir()) == []
