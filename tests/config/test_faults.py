"""Faults: which line, which path, which sentence."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder.config import ConfigProblems, Problem, load
from responder.errors import ConfigurationError
from tests.config.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Desk

#: change → "line: path: the beginning of the sentence … and what else it holds"
SINGLE: list[tuple[tuple[str, str], str, str]] = [
    # unknown keys
    (('also = [', 'alos = ['), "5: owner.alos: unknown key; allowed here: name, timezone", 'did you mean "also"?'),
    (("[ledger]", "[digest]"), "38: digest: unknown key; allowed here: owner", "ledger"),
    (("[ledger]", '[alerts]\napprise = ["x"]'), "39: alerts.apprise: unknown key; allowed here: command", ""),
    (('password = {', 'auth = "oauth2"\npassword = {'), "11: mailboxes.main.auth: unknown key", "trusted_authserv_id"),
    (("[hours]", "[mailboxes.main.oauth2]\n[hours]"), "13: mailboxes.main.oauth2: unknown key", ""),
    (("[clients.harbor]", 'urgent_word = "x"\n[clients.harbor]'), "32: clients.vostok.urgent_word: unknown key", ""),
    (("[filing]", "[templates.en]\nurgent = 'x'"), "38: templates.en.urgent: unknown key; allowed here: full, short", ""),
    # missing keys
    (('name = "Anna Svetlova"\n', ""), "1: owner.name: is missing: your name", ""),
    (('timezone = "Asia/Tbilisi"\n', ""), "32: clients.harbor.timezone: is missing: where the client is", ""),
    (('imap = { host = "imap.example.com" }\n', ""), "7: mailboxes.main.imap: is missing: where mail is read", ""),
    (('"imap.example.com" }', '"imap.example.com", port = 0 }'), "9: mailboxes.main.imap.port: must be at least 1", ""),
    (('"imap.example.com" }', '"a", port = 65536 }'), "9: mailboxes.main.imap.port: must be at most 65535", ""),
    # kinds of values
    (('name = "Anna Svetlova"', "name = 5"), "2: owner.name: must be text in quotes, not a number", ""),
    (('name = "Anna Svetlova"', "name = true"), "2: owner.name: must be text in quotes, not true", ""),
    (('name = "Anna Svetlova"', 'name = ""'), "2: owner.name: must not be empty", ""),
    (('name = "Anna Svetlova"', 'name = "A\\r\\nBcc: b@example.org"'), "2: owner.name: must be one line", ""),
    (('timezone = "Europe/Moscow"', "timezone = 3"), '3: owner.timezone: must be text in quotes, like "', ""),
    (('also = ["anna.private@mail.example"]', 'also = "x@y.example"'), "5: owner.also: must be a list in brackets", ""),
    (("[ledger]", "[ledger]\nkeep = 5"), '39: ledger.keep: must be text in quotes, like "3 min", not a number', ""),
    (("[filing]", "[filing]\nduring_hours = 'no'"), "38: filing.during_hours: must be true or false, not text", ""),
    (("[ledger]", "ledger = 1"), "38: filing.ledger: unknown key", ""),
    (("[owner]", "alerts = 1\n[owner]"), "1: alerts: must be a table, not a number", ""),
    (("hours = { mon-fri = [\"10:00-11:00\"] }\nchannels", "hours = []\nchannels"), "21: windows.morning.hours: must be a table, not a list", ""),
    (('timezone = "Asia/Tbilisi"', 'timezone = "Asia/Tbilisi"\nagreement = { name = "A", from = 2026-09-01T10:00:00 }'), "35: clients.harbor.agreement.from: must be a date like 2026-09-01", ""),
    (('timezone = "Asia/Tbilisi"', 'timezone = "Asia/Tbilisi"\nagreement = { name = "A", from = 2026-09-01, until = 2026-08-01 }'), "35: clients.harbor.agreement.until: the agreement ends (2026-08-01) before it begins", ""),
    (("[replies]", "[replies]\nlimits = { per_hour = 0 }"), "37: replies.limits.per_hour: must be at least 1, not 0", ""),
    (("[replies]", "[replies]\nlimits = { per_hour = 3.5 }"), "37: replies.limits.per_hour: must be a whole number", ""),
    (("[replies]", '[replies]\nmode = "sned"'), '37: replies.mode: "sned" is not allowed here: it must be "send", "draft" or "off"', 'did you mean "send"?'),
    (("[replies]", '[replies]\nmode = 1'), '37: replies.mode: must be "send", "draft" or "off", not a number', ""),
    # zones, languages, holidays
    (('"Europe/Moscow"', '"UTC+3"'), '3: owner.timezone: "UTC+3" is a fixed offset', 'like "Europe/'),
    (('"Europe/Moscow"', '"+03:00"'), '3: owner.timezone: "+03:00" is a fixed offset', ""),
    (('"Europe/Moscow"', '"Etc/GMT+3"'), '3: owner.timezone: "Etc/GMT+3" is a fixed offset', ""),
    (('"Europe/Moscow"', '"MSK"'), '3: owner.timezone: "MSK" is a fixed offset', '"Europe/Moscow"'),
    (('"Europe/Moscow"', '"Europe/Moskow"'), '3: owner.timezone: "Europe/Moskow" is no time zone', 'did you mean "Europe/Moscow"?'),
    (('"Asia/Tbilisi"', '"new york"'), '34: clients.harbor.timezone: "new york" is no time zone', 'did you mean "America/New_York"?'),
    (('language = "en"', 'language = "xx"'), '4: owner.language: "xx" is no language', ""),
    (('language = "en"', 'language = "de"'), '4: owner.language: there are no complete templates in "de": built in are en, ru', "[templates.de] lacks full, short, stranger, subject"),
    (('also = [', 'holidays = "XX"\nalso = ['), '5: owner.holidays: "XX" is no known code of public holidays', ""),
    (('also = [', 'holidays = "de-by"\nalso = ['), '5: owner.holidays: "de-by" is no known code', 'did you mean "DE-BY"?'),
    (('also = [', 'holidays = "DE-XX"\nalso = ['), '5: owner.holidays: "DE-XX": DE has no part "XX"', "BY"),
    # hours
    (('mon-fri = ["10:00-13:00", "14:00-19:00"]', "mon-fri = []"), "13: hours: there is no stretch at all on any weekday", ""),
    (('mon-fri = ["10:00-13:00", "14:00-19:00"]', '"2026-12-31" = ["10:00-13:00"]'), "13: hours: there is no stretch at all", ""),
    (('mon-fri = ["10:00-13:00", ', 'monday = ["10:00-13:00", '), "14: hours.monday: is not a day", 'did you mean "mon"?'),
    (('"14:00-19:00"', '"14:00-25:00"'), '14: hours.mon-fri: "25:00" is not a time of day', ""),
    (('"14:00-19:00"', '"14-19"'), '14: hours.mon-fri: "14-19" is not a stretch of time', '"10:00-13:00"'),
    (('"14:00-19:00"', '"24:00-02:00"'), '14: hours.mon-fri: "24:00-02:00": "24:00" may end a stretch', ""),
    (('"14:00-19:00"', '"14:00-14:00"'), '14: hours.mon-fri: "14:00-14:00" ends where it begins', '"00:00-24:00"'),
    (('"14:00-19:00"', '"12:00-19:00"'), "14: hours.mon-fri: 10:00-13:00 (mon-fri) and 12:00-19:00 (mon-fri) overlap", ""),
    (("[channels.phone]", 'tue = ["18:00-20:00"]\n[channels.phone]'), "16: hours.tue: 14:00-19:00 (mon-fri) and 18:00-20:00 (tue) overlap", ""),
    (("[channels.phone]", 'sun = ["22:00-11:00"]\n[channels.phone]'), "14: hours.mon-fri: 22:00-11:00 (sun) and 10:00-13:00 (mon-fri) overlap: the first runs", ""),
    (("[channels.phone]", '"2026-02-30" = []\n[channels.phone]'), '16: hours.2026-02-30: "2026-02-30" is not a date', ""),
    (("[channels.phone]", '"2027-01-08..2027-01-01" = []\n[channels.phone]'), '16: hours."2027-01-08..2027-01-01": "2027-01-08..2027-01-01" ends before', ""),
    (("[channels.phone]", '"2027-01-01..2027-01-08" = []\n"2027-01-08..2027-01-09" = []\n[channels.phone]'), '17: hours."2027-01-08..2027-01-09": "2027-01-01..2027-01-08" and', "overlap"),
    (("[clients.harbor]", 'hours = { "2026-12-31" = [] }\n[clients.harbor]'), '32: clients.vostok.hours.2026-12-31: only "mon" to "sun"', ""),
    (("[clients.harbor]", "hours = { mon = [] }\n[clients.harbor]"), "32: clients.vostok.hours: there is no stretch at all", ""),
    (("[clients.harbor]", "daytime = {}\n[clients.harbor]"), "32: clients.vostok.daytime: there is no stretch", ""),
    # lengths and terms
    (("[ledger]", '[ledger]\nkeep = "1 year"'), '39: ledger.keep: "1 year" is not a length of time', '"7 days"'),
    (("[ledger]", '[ledger]\nkeep = "999999 weeks"'), '39: ledger.keep: "999999 weeks" is longer than ten years', ""),
    (('"2 working days"', '"2 workdays"'), '26: topics.documents.response: "2 workdays" is not a response time', 'did you mean "2 working days"?'),
    (('"2 working days"', '"0 working days"'), '26: topics.documents.response: "0 working days": the number must be 1 to', ""),
    (('"2 working days"', '"next windw"'), '26: topics.documents.response: "next windw" is not', 'did you mean "next window"?'),
    # channels, windows, topics
    (('channels = ["phone"]', 'channels = ["fone"]'), '22: windows.morning.channels: the channel "fone" is not defined', 'did you mean "phone"?'),
    (("[clients.harbor]", "topics.docs.response = '1 hour'\n[clients.harbor]"), "32: clients.vostok.topics.docs: this topic is not defined", "documents"),
    (('words = ["contract*"]\n', ""), "24: topics.documents: nothing belongs to this topic", ""),
    (('"contract*"', '"*"'), '25: topics.documents.words: "*" is no word', ""),
    (("[clients.harbor]", 'language = "ru"\n[clients.harbor]'), "17: channels.phone.name: lacks the name in ru (asked for by clients.vostok.language)", ""),
    (("[clients.harbor]", 'channels.sms = { name = "SMS", hours = {} }\n[clients.harbor]'), '32: clients.vostok.channels: the windows use "phone", which', ""),
    (("[windows.morning]", '[windows."a/b"]'), '20: windows."a/b": is no name for a table', ""),
    # addresses
    (('"ivan@vostok.example"', '"ivan@vostok@example"'), '29: clients.vostok.addresses: "ivan@vostok@example" is neither an address', ""),
    (('"@vostok.example"', '"@vostok"'), '29: clients.vostok.addresses: "@vostok" is no domain', ""),
    (('"maya@harbor.example"', '"IVAN@vostok.example"'), '33: clients.harbor.addresses: "IVAN@vostok.example" stands at the client vostok already (config.toml:29)', ""),
    (('"maya@harbor.example"', '"@VOSTOK.example"'), '33: clients.harbor.addresses: "@VOSTOK.example" stands at the client vostok already', ""),
    (('"maya@harbor.example"', '"Anna@Example.com"'), '33: clients.harbor.addresses: "Anna@Example.com" is your own address (config.toml:8)', ""),
    (('"maya@harbor.example"', '"anna.private@mail.example"'), "33: clients.harbor.addresses: \"anna.private@mail.example\" is your own address (config.toml:5)", ""),
    (('"maya@harbor.example"', '"@example.com"'), '33: clients.harbor.addresses: "@example.com" is your own domain', ""),
    (('"maya@harbor.example"', '"@gmail.com"'), '33: clients.harbor.addresses: "@gmail.com" is a free-mail domain', ""),
    (('"maya@harbor.example"', '"@Yandex.RU"'), '33: clients.harbor.addresses: "@Yandex.RU" is a free-mail domain', ""),
    (('["maya@harbor.example"]', "[]"), "33: clients.harbor.addresses: must name at least one address or domain", ""),
    (('["anna@example.com"]', "[]"), "8: mailboxes.main.addresses: must name at least one address", ""),
    # servers and secrets
    (('"imap.example.com" }', '"imap.example.com", security = "none" }'), '9: mailboxes.main.imap.security: "none" would send the password in clear', ""),
    (('"imap.example.com" }', '"imap.example.com", security = "ssl" }'), '9: mailboxes.main.imap.security: "ssl" is not allowed', '"tls", "starttls" or "none"'),
    (('"imap.example.com" }', '"imap.example.com:993" }'), '9: mailboxes.main.imap.host: "imap.example.com:993": the port stands apart', "port = 993"),
    (('{ credential = "main" }', "{}"), "11: mailboxes.main.password: must name exactly one of credential", ""),
    (('{ credential = "main" }', '{ credential = "a", env = "B" }'), "11: mailboxes.main.password: must name exactly one", ""),
    (('{ credential = "main" }', '{ credential = "../x" }'), '11: mailboxes.main.password.credential: "../x" is no name of a credential', ""),
    (('{ credential = "main" }', "{ command = [] }"), "11: mailboxes.main.password: command must name a program", ""),
    (('{ credential = "main" }', "5"), "11: mailboxes.main.password: must be a table, not a number", ""),
    # replies, templates, folders
    (("[replies]", '[replies]\nstrangers = "short"'), '37: replies.strangers: "short" answers only who is proved', "missing in: main"),
    (("[filing]", "[templates.en]\nfull = '{{ wen }}'"), "38: templates.en.full: line 1: unknown variable 'wen'", "when"),
    (("[filing]", "[templates.en]\nshort = 'automatic'"), "38: templates.en.short: ", "due time"),
    (("[filing]", '[filing]\nfolder = "A/{opened}"'), "38: filing.folder: unknown field {opened}", "opens"),
    (("[filing]", '[filing]\nfolder = "A//B"'), '38: filing.folder: "A//B": names of folders stand between', ""),
    (("[filing]", '[filing]\nfinished = "inbox"'), "38: filing.finished: must be another folder than INBOX", ""),
    (("[filing]", '[filing]\nfinished = "{client}"'), '38: filing.finished: "{client}": { } % *', ""),
    (("[topics.documents]", '[windows.b]\nhours = { tue = ["18:00-19:00"] }\n[filing]\nfolder = "A"\n[topics.documents]'), "27: filing.folder: {opens} is missing: there are several windows", ""),
]  # fmt: skip


@pytest.mark.parametrize(("change", "start", "rest"), SINGLE, ids=[start for _, start, _ in SINGLE])
def test_one_fault_is_one_line_with_its_place_and_a_sentence(
    desk: Desk, change: tuple[str, str], start: str, rest: str
) -> None:
    """Each fault is told once, at its own line and path, with what is allowed, and in no library's words."""
    if "27: filing" in start:
        desk.changed(("[filing]\n", ""))
    said = desk.changed(change).only()
    assert said.startswith(f"config.toml:{start}")
    assert rest in said
    assert "\n" not in said
    for jargon in ("Input should", "valid dictionary", "type=", "pydantic", "Traceback", "None"):
        assert jargon not in said


def test_next_window_for_a_client_whom_none_suits_is_a_fault(desk: Desk) -> None:
    """A term that would never end is refused, at the client's own term or at the client."""
    desk.changed(('timezone = "Asia/Tbilisi"', 'timezone = "Pacific/Honolulu"\nresponse = "next window"'))
    assert desk.only().startswith("config.toml:35: clients.harbor.response: no callback window suits this client")
    desk.changed(('response = "next window"', ""), ('"2 working days"', '"next window"'))
    assert desk.only().startswith("config.toml:32: clients.harbor: no callback window suits this client")
    assert desk.only().endswith("(topics.documents.response)")


def test_next_window_without_any_window_is_a_fault(desk: Desk) -> None:
    """Where the owner has no windows at all it is told once, at the term."""
    desk.changed(
        ('[windows.morning]\nhours = { mon-fri = ["10:00-11:00"] }\nchannels = ["phone"]\n', ""),
        ("[ledger]", '[response]\ndefault = "next window"'),
    )
    assert desk.only().startswith("config.toml:39: response.default:")


def test_ten_faults_in_two_files_are_ten_lines(desk: Desk) -> None:
    """Everything is told at once, in the order of the files and their lines."""
    desk.changed(
        ('timezone = "Europe/Moscow"', 'timezone = "Europe/Moskow"\nlangage = "ru"'),
        ('"imap.example.com" }', '"imap.example.com", port = "993" }'),
        ('"14:00-19:00"', '"14:00-26:00"'),
        ('channels = ["phone"]', 'channels = ["fone"]'),
        ('"2 working days"', '"2 workdays"'),
        ("[filing]", '[templates.en]\nfull = "{{ wen }}"\n[filing]'),
    )
    desk.clients.write_text(
        '[clients.linden]\naddresses = [\n  "@gmx.de",\n  "maya@harbor.example",\n]\ntimezone = "CET+1"\n\n'
        '[clients.vostok]\naddresses = ["b@c.example"]\ntimezone = "Asia/Tokyo"\n',
        encoding="utf-8",
    )
    problems = desk.problems()
    assert [(each.file.rpartition("/")[2], each.line, each.path) for each in problems] == [
        ("config.toml", 3, "owner.timezone"),
        ("config.toml", 4, "owner.langage"),
        ("config.toml", 10, "mailboxes.main.imap.port"),
        ("config.toml", 15, "hours.mon-fri"),
        ("config.toml", 23, "windows.morning.channels"),
        ("config.toml", 28, "topics.documents.response"),
        ("config.toml", 42, "templates.en.full"),
        ("clients.toml", 3, "clients.linden.addresses"),
        ("clients.toml", 4, "clients.linden.addresses"),
        ("clients.toml", 6, "clients.linden.timezone"),
        ("clients.toml", 8, "clients.vostok"),
    ]
    with pytest.raises(ConfigurationError) as caught:
        desk.load()
    assert str(caught.value).split("\n") == [str(each) for each in problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\na = 2\n", ":2: is not valid TOML: a key stands twice (column 6)"),
        ("[owner]\nname Anna\n", ":2: is not valid TOML: a key must be followed by = (column 6)"),
        ("[owner]\nname = Anna\n", ":2: is not valid TOML: no value that TOML knows: text stands in quotes (column 8)"),
        ('a = ["x",\n"y"\n\n', ":2: is not valid TOML: a list lacks its closing bracket"),
        ("a = 1" + "0" * 5000, ":1: is not valid TOML: "),
        ("a = " + "[" * 60 + "]" * 60, ": is nested too deeply"),
        ("a = " + "[" * 5000, ": is nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_one_problem(desk: Desk, text: str, said: str) -> None:
    """The line is tomllib's, the words are a person's."""
    desk.config.write_text(text, encoding="utf-8")
    assert desk.only().startswith(f"config.toml{said}")


def test_a_file_that_is_no_text_is_one_problem(desk: Desk) -> None:
    """Bytes that are no UTF-8 are told with their line."""
    desk.config.write_bytes(b'[owner]\nname = "\xc0\xed\xed\xe0"\n')
    assert desk.only() == "config.toml:2: is not UTF-8 text: save it as UTF-8"


def test_a_missing_file_is_one_problem(desk: Desk) -> None:
    """A path that leads nowhere is told, not raised."""
    desk.config.unlink()
    assert desk.only() == "config.toml: cannot be read: No such file or directory"


def test_the_clients_file_is_looked_at_even_if_the_main_file_is_broken(desk: Desk) -> None:
    """A fault of TOML in one file hides no fault of form in the other."""
    desk.config.write_text("[owner", encoding="utf-8")
    desk.clients.write_text("[clients.a]\nzone = 1\n[owner]\n", encoding="utf-8")
    assert [str(each).rpartition("/")[2].partition(";")[0] for each in desk.problems()][1:] == [
        "clients.toml:1: clients.a.addresses: is missing: the client's addresses, and domains as \"@vostok.example\"",
        'clients.toml:1: clients.a.timezone: is missing: where the client is, as an IANA zone like "Asia/Vladivostok"',
        "clients.toml:2: clients.a.zone: unknown key",
        "clients.toml:3: owner: unknown key",
    ]


def test_an_absences_file_is_refused(desk: Desk) -> None:
    """A file that would promise an absence and be ignored is worse than an error."""
    (desk.config.parent / "absences.toml").touch()
    assert desk.only().startswith("absences.toml: absences cannot be planned yet")


def test_an_inline_password_needs_a_file_of_ones_own(desk: Desk) -> None:
    """In a file that others may read it is a fault that does not repeat the password, in a 0600 one a warning."""
    desk.changed(('{ credential = "main" }', '"hunter2"'))
    desk.config.chmod(0o640)
    said = desk.only()
    assert said.startswith("config.toml:11: mailboxes.main.password: a password stands in a file that others may read")
    assert "hunter2" not in said
    desk.config.chmod(0o600)
    assert desk.warnings() == [
        "config.toml:11: mailboxes.main.password: the password stands in the file itself; "
        "{ credential = … } or { file = … } keeps it apart"
    ]
    loaded = desk.load()
    assert loaded.settings.mailboxes[0].password.value == "hunter2"
    assert "hunter2" not in repr(loaded.settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([('"Asia/Tbilisi"', '"Pacific/Honolulu"')], "34: clients.harbor: no callback window suits this client"),
        ([('"2 working days"', '"2 working hours"')], None),
        ([('"2 working days"', '"1 hour"')], '27: topics.documents.response: "1 hour" can end in closed time'),
        ([('"2 working days"', '"1 hour"')], "27: topics.documents.response: can fall due before any callback window"),
        ([("[clients.vostok]", "[clients.a]"), ("[ledger]", '[clients.a.people]\n"ivan@vostk.example" = "Ivan"')],
         '42: clients.a.people."ivan@vostk.example": "ivan@vostk.example" is no address of this client; did you mean'),
    ],
)  # fmt: skip
def test_what_is_allowed_but_odd_is_a_warning(desk: Desk, changes: list[tuple[str, str]], said: str | None) -> None:
    """A warning has its place like a fault, and the configuration loads."""
    warnings = desk.changed(*changes).warnings()
    if said is None:
        assert warnings == []
    else:
        assert any(each.startswith(f"config.toml:{said}") for each in warnings)


def test_no_clients_and_no_windows_are_warned_of(desk: Desk) -> None:
    """Rules for nobody load, and say so."""
    text = SMALL[: SMALL.index("[windows")]
    desk.config.write_text(text, encoding="utf-8")
    assert desk.warnings() == [
        "config.toml: clients: there are no clients: every sender is a stranger",
        "config.toml: windows: there are no callback windows: nothing is filed",
    ]


def test_a_problem_prints_its_place() -> None:
    """File, line, path and sentence, without what is not there."""
    assert str(Problem(file="config.toml", line=12, path="a.b", text="no")) == "config.toml:12: a.b: no"
    assert str(Problem(file="config.toml", line=0, path="", text="no")) == "config.toml: no"


# ------------------------------------------------------------------------------------------- junk

KEYS = st.sampled_from(
    "owner mailboxes main hours channels windows topics response clients replies templates filing alerts ledger name "
    "timezone language holidays also why addresses imap smtp host port security password credential command inline "
    "mon mon-fri 2026-12-31 ru en default people daytime agreement from until phone full limits per_hour folder [key] * "
    "mode grace words attachments say keep strangers".split()
) | st.text(max_size=3)
LEAVES = (
    st.sampled_from(["", "x", "Europe/Berlin", "10:00-13:00", "ru", "1 hour", "next window", "a@b.example", "@", "{{ x }}"])
    | st.text(max_size=5)
    | st.integers(-(2**40), 2**40)
    | st.booleans()
    | st.floats(allow_nan=True)
    | st.dates()
    | st.datetimes()
    | st.times()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
GOOD = tomllib.loads(SMALL)


def _places(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(data, dict):
        return [path]
    return [path, *(place for key, value in data.items() for place in _places(value, (*path, key)))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(_places(GOOD)), KEYS, VALUES), max_size=4), more=VALUES)
def test_junk_never_gives_anything_but_problems(
    tmp_path: Path, changes: list[tuple[tuple[str, ...], str, Any]], more: Any
) -> None:
    """Whatever stands in the files, loading either succeeds or tells problems that each fit on one line."""
    data = tomllib.loads(SMALL)
    for place, key, value in changes:
        holder: Any = data
        for part in place:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[key] = value
    config = tmp_path / "config.toml"
    config.write_text(tomli_w.dumps(data), encoding="utf-8")
    (tmp_path / "clients.toml").write_text(
        tomli_w.dumps(more if isinstance(more, dict) else {"clients": more}), encoding="utf-8"
    )
    os.chmod(config, 0o600)
    try:
        load(config)
    except ConfigProblems as faults:
        assert faults.problems
        for each in faults.problems:
            assert "\n" not in str(each)
            assert each.text
            assert "of another kind" not in each.text
