"""What a good file comes to."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from responder.config import MailboxSettings, SecretRef, Server
from responder.config.schedules import schedule
from responder.config.spelling import read_days, read_duration, read_language, read_stretch, read_term, read_zone
from responder.core.model import DatedEntry, Stretch, Term, TermUnit

if TYPE_CHECKING:
    from tests.config.conftest import Desk


def test_a_small_file_gets_all_defaults(desk: Desk) -> None:
    """What is left out holds as the contract says."""
    loaded = desk.load()
    assert loaded.warnings == ()
    assert loaded.settings.files == (desk.config,)
    assert loaded.settings.alerts_command == ()
    assert loaded.settings.alerts_apprise == ()
    assert loaded.settings.keep == timedelta(days=400)
    assert loaded.settings.mailboxes == (
        MailboxSettings(
            name="main",
            addresses=("anna@example.com",),
            imap=Server(host="imap.example.com", port=993, security="tls"),
            smtp=Server(host="smtp.example.com", port=465, security="tls"),
            username="anna@example.com",
            password=SecretRef(kind="credential", value="main"),
            oauth2=None,
            inbox="INBOX",
            poll=timedelta(seconds=60),
            trusted_authserv_id="",
        ),
    )
    vostok = loaded.policy.client("vostok")
    assert (vostok.name, vostok.language, vostok.auto_reply) == ("vostok", "en", True)
    assert vostok.addresses == {"ivan@vostok.example"}
    assert vostok.domains == {"vostok.example"}
    assert vostok.daytime.weekdays == ((Stretch(opens=540, closes=1260),),) * 7
    assert (vostok.hours, vostok.windows, vostok.channels, vostok.agreement) == (None, None, None, None)
    assert loaded.policy.response == Term(count=1, unit=TermUnit.WORKING_DAYS)
    assert loaded.policy.channels[0].names == {"en": "Phone"}


@pytest.mark.parametrize(
    ("protocol", "security", "port"),
    [
        ("imap", "tls", 993),
        ("imap", "starttls", 143),
        ("imap", "none", 143),
        ("smtp", "tls", 465),
        ("smtp", "starttls", 587),
        ("smtp", "none", 25),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "::1"])
def test_the_port_follows_the_security(
    desk: Desk, protocol: Literal["imap", "smtp"], security: str, port: int, host: str
) -> None:
    """Each protocol has its usual port for each security, and "none" reaches this machine only."""
    desk.changed((f'"{protocol}.example.com"', f'"{host}", security = "{security}"'))
    server: Server = getattr(desk.load().settings.mailboxes[0], protocol)
    assert (server.host, server.port, server.security) == (host, port, security)


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ('{ file = "secret" }', "file", "{here}/secret"),
        ('{ file = "/run/secret" }', "file", "/run/secret"),
        ('{ env = "PASSWORD" }', "env", "PASSWORD"),
        ('{ command = ["pass", "show", "mail"] }', "command", ("pass", "show", "mail")),
        ('{ keyring = "mail" }', "keyring", "mail"),
    ],
)
def test_a_password_is_had_from_its_place(desk: Desk, written: str, kind: str, value: str | tuple[str, ...]) -> None:
    """A file is named relative to the configuration."""
    secret = desk.changed(('{ credential = "main" }', written)).load().settings.mailboxes[0].password
    expected = value.format(here=desk.config.parent) if isinstance(value, str) else value
    assert (secret.kind, secret.value) == (kind, expected)


def test_more_clients_come_from_their_own_file(desk: Desk) -> None:
    """They follow those of the main file, in their order; a byte order mark and CRLF do no harm."""
    desk.clients.write_bytes(
        '\ufeff[clients.zeta]\r\naddresses = ["z@zeta.example"]\r\ntimezone = "Asia/Tokyo"\r\n'
        '[clients.alpha]\r\naddresses = ["@bücher.example"]\r\ntimezone = "Europe/Berlin"\r\n'.encode()
    )
    loaded = desk.load()
    assert [client.key for client in loaded.policy.clients] == ["vostok", "harbor", "zeta", "alpha"]
    assert loaded.policy.client("alpha").domains == {"xn--bcher-kva.example"}
    assert loaded.settings.files == (desk.config, desk.clients)


HARBORS = """\
hours = { mon = ["09:00-10:00"] }
channels.sms = { name = "SMS", hours = { mon = ["09:00-10:00"] } }
windows.w = { hours = { mon = ["09:00-10:00"] }, channels = ["sms"] }
auto_reply = false
"""


def test_a_clients_own_rules_are_its_own(desk: Desk) -> None:
    """Own hours keep the owner's dates; own windows may use own channels; the owner's are as they were."""
    desk.changed(
        ("[channels.phone]", '"2026-12-31" = []\n[channels.phone]'),
        (
            "[replies]",
            f"{HARBORS}[replies]",
        ),
    )
    policy = desk.load().policy
    client = policy.client("harbor")
    assert client.hours is not None
    assert client.hours.weekdays == ((Stretch(opens=540, closes=600),), (), (), (), (), (), ())
    assert client.hours.dates == policy.hours.dates != ()
    assert client.channels is not None
    assert [channel.key for channel in client.channels] == ["sms"]
    assert client.windows is not None
    assert client.windows[0].channels == ("sms",)
    assert not client.auto_reply
    assert [channel.key for channel in policy.channels] == ["phone"]


def test_a_plain_word_is_in_the_owners_language(desk: Desk) -> None:
    """``why = "…"`` and ``why = { en = "…" }`` are the same for an owner who writes English."""
    desk.changed(("also = [", 'why = "I read by day."\nalso = ['))
    assert desk.load().policy.owner.why == {"en": "I read by day."}


def test_words_of_topics_are_kept_lower_case(desk: Desk) -> None:
    """White space counts as one space."""
    desk.changed(('"contract*"', '"Contract*", " Под   Подпись "'))
    assert desk.load().policy.topics[0].words == ("contract*", "под подпись")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60 s", 60), ("1 sec", 1), ("3 min", 180), ("3min", 180), ("2 h", 7200), ("1.5 hours", 5400),
     ("1 day", 86400), ("400 days", 34560000), ("2 weeks", 1209600), ("0 min", 0)],
)  # fmt: skip
def test_lengths_are_read_as_a_person_writes_them(text: str, seconds: int) -> None:
    """Number, unit, with or without a space."""
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["1 working hour", "4 working hours", "1 working day", "2 working days", "24 hours", "next window"]
)
def test_a_term_reads_as_it_is_spelled(text: str) -> None:
    """What the model spells is what the file says."""
    assert str(read_term(text)) == text


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [("10:00-13:00", 600, 780), ("9:30–10:00", 570, 600), ("22:00-02:00", 1320, 1560), ("00:00-24:00", 0, 1440),
     ("14:00-24:00", 840, 1440), ("14:00-00:00", 840, 1440)],
)  # fmt: skip
def test_stretches_may_cross_midnight(text: str, opens: int, closes: int) -> None:
    """The end may be 24:00, or lie on the next date."""
    assert read_stretch(text) == Stretch(opens=opens, closes=closes)


def test_ranges_of_days_wrap() -> None:
    """A range may run over the end of the week."""
    assert read_days("fri-mon") == (4, 5, 6, 0)
    assert read_days("mon-sun") == tuple(range(7))
    assert read_days("wed") == (2,)


@pytest.mark.parametrize("name", ["Europe/Moscow", "America/Argentina/Buenos_Aires", "UTC", "Asia/Kolkata"])
def test_named_zones_are_taken(name: str) -> None:
    """Any name of the IANA list but fixed offsets."""
    assert read_zone(name).key == name


@pytest.mark.parametrize(
    "offset", ["UTC+3", "GMT-5", "+03:00", "-0500", "3", "Etc/GMT+3", "Etc/GMT0", "GMT", "EST", "Z", "−3"]
)
def test_fixed_offsets_are_refused(offset: str) -> None:
    """However they are written."""
    with pytest.raises(ValueError, match="fixed offset"):
        read_zone(offset)


def test_languages_are_those_of_babel() -> None:
    """A code without names of months is no language."""
    assert [read_language(code) for code in ("ru", "en", "de", "pt-BR")] == ["ru", "en", "de", "pt-BR"]
    for code in ("xx", "EN", "english", ""):
        with pytest.raises(ValueError, match="is no language"):
            read_language(code)


def test_stretches_of_the_same_day_add_up_and_touching_ones_become_one() -> None:
    """Whatever key they stand in, sorted."""
    table = {
        "mon-tue": [read_stretch("14:00-16:00")],
        "tue-wed": [read_stretch("12:00-14:00"), read_stretch("08:00-09:00")],
    }
    made = schedule(table, (), _no_fault)
    assert made.weekdays[:3] == (
        (Stretch(opens=840, closes=960),),
        (Stretch(opens=480, closes=540), Stretch(opens=720, closes=960)),
        (Stretch(opens=480, closes=540), Stretch(opens=720, closes=840)),
    )


def test_a_stretch_over_midnight_may_touch_the_next_day() -> None:
    """It stays on the date it begins on, and no stretch is longer than a day."""
    made = schedule({"mon": [read_stretch("22:00-02:00")], "tue": [read_stretch("02:00-03:00")]}, (), _no_fault)
    assert made.weekdays[0] == (Stretch(opens=1320, closes=1560),)
    assert made.weekdays[1] == (Stretch(opens=120, closes=180),)
    made = schedule({"mon": [read_stretch("00:00-12:00"), read_stretch("12:00-02:00")]}, (), _no_fault)
    assert all(each.closes - each.opens <= 1440 for each in made.weekdays[0])


def test_a_single_date_may_stand_inside_a_range() -> None:
    """Entries are sorted by their first date."""
    table = {
        "2027-01-05": [read_stretch("10:00-12:00")],
        "2027-01-01..2027-01-08": [],
        "2026-12-31": [],
    }
    assert schedule(table, (), _no_fault).dates == (
        DatedEntry(first_on=date(2026, 12, 31), last_on=date(2026, 12, 31), stretches=()),
        DatedEntry(first_on=date(2027, 1, 1), last_on=date(2027, 1, 8), stretches=()),
        DatedEntry(first_on=date(2027, 1, 5), last_on=date(2027, 1, 5), stretches=(Stretch(opens=600, closes=720),)),
    )


def _no_fault(path: tuple[str | int, ...], text: str) -> None:
    raise AssertionError(f"{path}: {text}")


@pytest.mark.parametrize(
    ("table", "at", "to"),
    [
        ("", 8 * 60 + 30, ""),
        ('[digest]\nat = "7:05"', 7 * 60 + 5, ""),
        ('[digest]\nat = "00:00"\nto = "INBOX"', 0, ""),
        ('[digest]\nat = "off"\nto = "anna@elsewhere.example"', None, "anna@elsewhere.example"),
    ],
)
def test_the_digest_comes_at_a_time_of_day_or_not_at_all(desk: Desk, table: str, at: int | None, to: str) -> None:
    """A clock time becomes minutes after midnight, "off" none; INBOX or an address is where it goes."""
    digest = desk.changed(("[filing]\n", f"[filing]\n{table}\n")).load().policy.digest
    assert (digest.at, digest.to) == (at, to)
