"""The table [alerts] and the urgent word, as they are read and checked together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from responder.config import SecretRef, checks
from responder.errors import how_to_add

if TYPE_CHECKING:
    from tests.config.conftest import Desk


def _with_alerts(desk: Desk, lines: str) -> Desk:
    desk.config.write_text(f"{desk.config.read_text()}\n[alerts]\n{lines}\n")
    desk.config.chmod(0o600)
    return desk


def _with_word(desk: Desk) -> Desk:
    text = desk.config.read_text()
    place = text.index("timezone", text.index("[clients.vostok]"))
    desk.config.write_text(f'{text[:place]}urgent_word = " сеи\u0306час "\n{text[place:]}')
    return desk


def test_the_word_is_read_composed(desk: Desk) -> None:
    """A word written with combining marks is the same word; white space around it is none of it."""
    assert _with_word(_with_alerts(desk, 'command = ["bell"]')).load().policy.client("vostok").urgent_word == "сейчас"
    assert desk.warnings() == []


def test_no_word_is_the_default(desk: Desk) -> None:
    """Where none is agreed there is none."""
    assert desk.load().policy.client("vostok").urgent_word == ""


def test_a_word_that_calls_nobody_is_warned_of(desk: Desk) -> None:
    """The client would be told of an alert that no one gets."""
    (said,) = _with_word(desk).warnings()
    assert "clients.vostok.urgent_word: the client is told that this word calls you, but [alerts] names nobody" in said


def test_services_are_kept_as_passwords_are(desk: Desk) -> None:
    """References are read as a password's; an address in the file itself is warned of, at its own line."""
    services = 'apprise = [\n{ credential = "telegram" },\n"json://h/",\n{ env = "NTFY" },\n]'
    loaded = _with_alerts(desk, services).load()
    assert loaded.settings.alerts_apprise == (
        SecretRef(kind="credential", value="telegram"),
        SecretRef(kind="inline", value="json://h/"),
        SecretRef(kind="env", value="NTFY"),
    )
    (said,) = desk.warnings()
    assert "alerts.apprise: the service's address, which holds its secret, stands in the file itself" in said
    assert "json" not in said


def test_an_address_that_others_may_read_is_refused(desk: Desk) -> None:
    """As a password would be, and the address is not shown."""
    _with_alerts(desk, 'apprise = ["json://x:tok3n@h/"]').config.chmod(0o640)
    said = desk.only()
    assert "stands in a file that others may read (mode 0640)" in said
    assert "tok3n" not in said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('apprise = [{ credential = "a", env = "B" }]', "must name exactly one of"),
        ('apprise = [""]', "must not be empty"),
        ('apprise = "json://h/"', "must be a list in brackets"),
    ],
)
def test_a_service_that_cannot_be_meant(desk: Desk, lines: str, said: str) -> None:
    """What is no list of addresses is told with its place."""
    assert said in _with_alerts(desk, lines).only()


def test_without_the_extra_nothing_starts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is missing the file is refused, with the way to mend it."""
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    said = _with_alerts(desk, 'apprise = [{ credential = "telegram" }]').only()
    assert said.endswith(f"alerts.apprise: the extra is not installed; {how_to_add('apprise')}")
