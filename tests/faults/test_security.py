"""The gates, the log, the templates and the versions: what keeps a sender's bytes from becoming anybody's orders."""

from __future__ import annotations

import ast
import email
import json
import subprocess
import sys
import time
import unicodedata
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imapclient.imap_utf7 import decode as decode_utf7

from responder.adapters.auth import without_secret
from responder.adapters.imap_answers import folder_to_wire, imap_safe, is_safe
from responder.adapters.smtp_words import smtp_address
from responder.commands import versions
from responder.core import header, words
from responder.core.compose import Text, reply_message
from responder.core.facts import derive_message_id, observe
from responder.core.message import _address
from responder.core.model import Outcome
from responder.errors import ConfigurationError, PermanentError, ResponderError, TemporaryError
from tests.config.conftest import SMALL, Desk
from tests.contract.worlds import ServerWorld, letter, move
from tests.core.build import at
from tests.core.test_facts import ME, POLICY, SECRET, raw
from tests.faults.logged import CONTROLS, MARKS
from tests.faults.pieces import BOSS
from tests.servers.imap_script import PASSWORD, ScriptedImap, mailbox_at
from tests.servers.outboxes import make_reply, smtp_outbox
from tests.servers.smtp import Features, SmtpSink, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.dovecot import Dovecot

ROOT = Path(__file__).parents[2]
#: Every character there is, half letters too.
EVERYTHING = [chr(number) for number in range(sys.maxunicode + 1)]
DANGEROUS = frozenset(map(chr, (*range(0x20), 0x7F)))


# ------------------------------------------------------------------------------------ the three gates


def test_no_control_character_of_unicode_passes_the_imap_gate() -> None:
    """Of all characters the gate lets none through that could end a line anywhere; what it lets through is encoded."""
    passed = [char for char in EVERYTHING if is_safe(char)]
    assert DANGEROUS.isdisjoint(passed)
    assert not {unicodedata.category(char) for char in passed} & {"Cc", "Cs", "Zl", "Zp"}
    assert len(passed) > 1_000_000
    for start in range(0, len(passed), 200):
        name = "x" + "".join(passed[start : start + 200]).replace("/", "") + "x"
        wire = folder_to_wire(name, separator="/", prefix="")
        assert all(" " <= char <= "~" for char in wire)
        assert decode_utf7(wire.encode()) == name


@pytest.mark.parametrize("char", sorted(DANGEROUS | {"\x85", "\u2028", "\ud800"}))
def test_the_imap_gate_says_what_it_refused(char: str) -> None:
    """One such character anywhere, and the text is refused as a whole, with its name."""
    for text in (char, f"a{char}", f"{char}a", f"a{char}b"):
        with pytest.raises(PermanentError, match=r"the folder name .* holds a control character"):
            imap_safe(text, "folder name")


def test_only_plain_ascii_passes_the_smtp_gate_and_as_it_stands() -> None:
    """Of all characters, in front, within and behind, only those of a dot-atom reach an SMTP argument, unchanged."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.@")
    for char in EVERYTHING:
        for text in (f"a{char}b@x.example", f"a@x{char}y.example", f"{char}a@x.example", f"a@x.example{char}"):
            try:
                passed = smtp_address(text)
            except PermanentError:
                continue
            assert char in allowed
            assert passed == text


def test_no_character_of_unicode_opens_a_header_line() -> None:
    """Of all characters none that is a control, half a letter or turns the text survives in a reply's header."""
    for start in range(0, len(EVERYTHING), 500):
        text = "x".join(EVERYTHING[start : start + 500])
        for cleaned in (words.clean(text, 10_000), header.clean(text, 10_000)):
            assert DANGEROUS.isdisjoint(cleaned)
            assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
    for char in EVERYTHING:
        try:
            written = _address.__wrapped__(f"a{char}b@x.example")
        except PermanentError:
            continue
        assert written.isascii()
        assert not DANGEROUS & set(written)
        assert not set(written) & set('<>(),;:\\" ')


@settings(max_examples=100)
@given(texts=st.lists(st.text(max_size=60), min_size=4, max_size=4))
def test_a_reply_says_back_what_it_was_told_and_has_our_lines_only(texts: list[str]) -> None:
    """A parser reads the subject that was meant, one recipient, and no field that we do not write."""
    name, subject, message_id, body = texts
    head = BOSS + f"Subject: {name}\r\nMessage-ID: {message_id}\r\nReferences: {body}\r\n".encode(errors="replace")
    facts = observe(raw(head), POLICY, ME)
    if not facts.return_path:
        return
    own_id = derive_message_id(SECRET, "main", facts.fingerprint, "example.com")
    made = reply_message(POLICY, "main", facts, Text(subject=subject, body=body), own_id, at("2026-11-27 20:00"))
    parsed = email.message_from_bytes(made)
    assert parsed.get_all("To") == ["ivan@vostok.example"]
    assert parsed["Bcc"] is None
    told = str(email.header.make_header(email.header.decode_header(parsed["Subject"])))
    assert told.split() == words.clean(subject).split()


def test_a_line_break_in_an_encoded_subject_opens_no_header_on_any_python() -> None:
    """Where this very Python would write a Bcc line (CVE-2024-6923), the reply has none: it is written by hand."""
    head = BOSS + b"Subject: =?UTF-8?Q?Hello=0D=0ABcc:_evil@x.example?=\r\n"
    facts = observe(raw(head), POLICY, ME)
    own_id = derive_message_id(SECRET, "main", facts.fingerprint, "example.com")
    text = Text(subject=f"Auto: {facts.subject}", body="x")
    made = reply_message(POLICY, "main", facts, text, own_id, at("2026-11-27 20:00"))
    assert email.message_from_bytes(made).get_all("Bcc") is None
    assert b"Subject: Auto: Hello Bcc: evil@x.example\r\n" in made
    assert facts.quotable_subject == ""


async def test_a_session_sends_no_control_character_whoever_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Below all gates the session itself refuses the argument; nothing of it reaches the wire."""
    del caplog
    with ScriptedImap() as server:
        mailbox = mailbox_at(server)
        await mailbox.open()
        for smuggled in ("INBOX\r\na9 DELETE Sent", "x\n", "x\x00", "x\x7f"):
            with pytest.raises(TemporaryError, match="control character"):
                await mailbox._do("trying", lambda folders, word=smuggled: folders.session.command("SELECT", word))
            await mailbox.open()
        await mailbox.close()
        assert not server.said("DELETE")


# The floors below the gates: where bytes go onto the wire, and by whom that may be called.
WIRE = {
    ("imap_session.py", "_command"): {"_send", "idle"},
    ("imap_session.py", "send"): {"idle"},
    ("outbox.py", "execute_command"): {"_ask", "_log_in_by_token"},
    ("outbox.py", "write"): {"_deliver", "_retire"},
}


def test_there_is_one_way_to_the_wire() -> None:
    """No function of the adapters but these calls what sends bytes; imapclient's own commands are not used at all."""
    found: dict[tuple[str, str], set[str]] = {}
    wrapped: set[str] = set()
    for path in sorted((ROOT / "responder" / "adapters").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                    continue
                name = call.func.attr
                if name in {"_command", "execute_command", "_imap_command", "_command_and_check"} or (
                    name in {"send", "write", "sendall"} and path.name in {"imap_session.py", "outbox.py"}
                ):
                    found.setdefault((path.name, name), set()).add(function.name)
                if "_client" in ast.unparse(call.func.value):
                    wrapped.add(name)
    assert found == WIRE
    # Connecting, logging in, asking what there is: none of these is given anything of a message.
    assert wrapped <= {
        *("capabilities", "has_capability", "starttls", "plain_login", "login", "logout", "shutdown", "socket"),
        *("setsockopt", "settimeout", "setblocking", "fileno", "namespace", "personal", "list_folders"),
        "_proc_folder_list",
    }, wrapped


def test_headers_are_set_in_one_place() -> None:
    """No code of ours gives the standard library a header to write: replies are composed by hand, behind the gate."""
    for path in sorted((ROOT / "responder").rglob("*.py")):
        if "sandbox" in path.parts or path.name == "versions.py":  # the demo writes its clients' letters; a trial
            continue
        source = path.read_text(encoding="utf-8")
        assert "EmailMessage" not in source, path
        assert "MIMEText" not in source, path
        assert "add_header" not in source, path


# ------------------------------------------------------------------------------- on real servers


def _names() -> Iterator[str]:
    """Yield folder names of all kinds of characters: each name has forty, from all over Unicode."""
    letters = [
        char
        for char in EVERYTHING
        if is_safe(char) and unicodedata.category(char)[0] in "LNPSM" and unicodedata.is_normalized("NFC", char)
    ]
    letters = [char for char in letters if char not in '/.*%"\\&~']
    for start in range(0, len(letters), len(letters) // 24):
        yield f"a{''.join(letters[start : start + 40])}z"
    yield from ('quote " here', "back\\slash", "and & or", "&AAA-", "~tilde", "per cent % star *", "( )", "{5}", "NIL")


@pytest.mark.matrix
@pytest.mark.server
async def test_a_folder_is_named_on_the_server_as_it_was_meant(dovecot: Dovecot, user: str) -> None:
    """What passes the gate is what is made: LIST names each folder so, and the message lies in it or in INBOX."""
    world = ServerWorld(dovecot, user)
    names = list(_names())
    for number in range(1, len(names) + 1):
        world.deliver(letter(number))
    mailbox = world.mailbox()
    inbox = await mailbox.open()
    made = 0
    for number, name in enumerate(names, 1):
        results = await mailbox.file([move(number, inbox.uidvalidity, name)])
        if results[number] == "moved":
            made += 1
            assert [stored.raw for stored in world.stored(name)] == [letter(number)]
        else:
            print(f"not on the {dovecot.kind} server: {name!r}: {results[number]}")
    await mailbox.close()
    assert made >= len(names) - 3
    assert len(world.stored()) == len(names) - made


async def test_an_address_reaches_the_server_as_it_was_meant() -> None:
    """What passes the SMTP gate is the one recipient that the server hears, octet for octet; the rest hears nobody."""
    good = ["ivan@vostok.example", "a.b+c@x.example", "O'Neil@x.example", "{7*7}@x.example", "a=b/c@x.example"]
    bad = ["a@x.example>\r\nRCPT TO:<b@x.example", "a b@x.example", "иван@x.example", "a@x.example\n", '"a"@x.example']
    async with SmtpSink() as sink, smtp_outbox(sink) as outbox:
        answers = await outbox.send([make_reply(address) for address in (*good, *bad)])
        assert [mail.recipient for mail in sink.mails] == good
        assert [answer.outcome for answer in answers] == [Outcome.DONE] * len(good) + [Outcome.REFUSED] * len(bad)
        assert not [line for line in sink.lines if b"b@x.example" in line]


# ------------------------------------------------------------------------------------------- log


@pytest.fixture(scope="module")
def logs() -> dict[str, str]:
    """Return the log of a process that met all the trouble there is, as the journal and as a terminal get it."""
    told: dict[str, str] = {}
    for kind in ("json", "terminal"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.logged", kind],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        told[kind] = done.stderr
    return told


@pytest.mark.parametrize("kind", ["json", "terminal"])
def test_no_line_of_the_log_tells_a_subject_a_body_a_secret_or_an_address(logs: dict[str, str], kind: str) -> None:
    """Through messages, refusals that repeat addresses, a defect of ours and the libraries' own logs: no mark shows."""
    log = logs[kind]
    for event in ("message", "reply", "no reply could be written", "unexpected", "session lost", "library", "end"):
        assert event in log, event
    assert [mark for mark in MARKS if mark in log] == []
    assert "l…@vostok.example" in log
    assert "ValueError at logged.py" in log


@pytest.mark.parametrize("kind", ["json", "terminal"])
def test_no_line_of_the_log_can_be_forged(logs: dict[str, str], kind: str) -> None:
    """One event is one line, and no character in it moves a cursor or turns the text: only escapes do stand there."""
    lines = logs[kind].splitlines()
    assert logs[kind].count("\n") == len(lines)
    assert all(line.startswith("{" if kind == "json" else "timestamp=") for line in lines)
    assert all(line.isprintable() for line in lines)
    if kind == "json":
        end = json.loads(lines[-1])
        assert end["fields"] == ["l…@vostok.example", CONTROLS]


SECRETS = ("correct horse", "AGFubmEAY29ycmVjdCBob3JzZQ==", "Y29ycmVjdCBob3JzZQ==")


async def test_a_server_that_repeats_the_password_does_not_get_it_into_an_error() -> None:
    """IMAP: the refusal's words are kept, the password in them is not, in whatever form it was sent."""
    refusal = f"{{tag}} NO [AUTHENTICATIONFAILED] you said {' and '.join(SECRETS)}\r\n"
    for script in (
        {"AUTHENTICATE": ["+ \r\n"], "SASL": refusal},
        {"CAPABILITY": "* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n", "LOGIN": refusal},
    ):
        with ScriptedImap(script, greeting="* OK ready\r\n") as server, pytest.raises(ResponderError) as caught:
            await mailbox_at(server).open()
        said = str(caught.value)
        assert "you said" in said
        assert PASSWORD not in said
        assert [secret for secret in SECRETS if secret in said] == []


@pytest.mark.parametrize("code", ["535 5.7.8", "454 4.7.0"])
async def test_a_submission_server_that_repeats_the_password_does_not_get_it_into_an_error(code: str) -> None:
    """SMTP: the same, for a refusal and for one that passes."""
    assert without_secret("a secret", "anna@example.com", "nothing") == "a secret"
    script = {"AUTH": reply(f"{code} you said AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0 and secret")}
    async with SmtpSink(script=script, features=Features(user="anna@example.com")) as sink, smtp_outbox(sink) as outbox:
        try:
            said = str(await outbox.send([make_reply("ivan@vostok.example")]))
        except ConfigurationError as error:
            said = str(error)
    assert "you said" in said
    assert "AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0" not in said
    assert "secret" not in said


# ------------------------------------------------------------------------------------- templates

EXPLOSIVE = {
    "a text of megabytes": "a" * 5_000_000,
    "loops in loops over texts": "{% for a in reason %}{% for b in reason %}{% endfor %}{% endfor %}" * 100,
    "many loops in loops": "{% for a in channels %}{% for b in channels %}{% endfor %}{% endfor %}" * 150,
    "loops over long lists": "{% for a in [LIST] %}{% for b in [LIST] %}{% endfor %}{% endfor %}".replace(
        "LIST", "1," * 4000
    ),
    "joins in loops": "{% for a in channels %}{% for b in channels %}JOIN{% endfor %}{% endfor %}".replace(
        "JOIN", "{% if channels|join('aaaa') %}{% endif %}" * 20
    ),
    "a hundred and fifty ifs": "{% if name %}" * 150 + "{% endif %}" * 150,
    "three thousand nots": "{{ " + "not " * 3000 + "name }}",
    "two thousand ands": "{{ name" + " and name" * 2000 + " }}",
    "two thousand filters": "{{ name" + "|upper" * 2000 + " }}",
    "a number of ten thousand digits": "{{ " + "9" * 10_000 + " }}",
    "a range": "{% for a in range(1000000000) %}{% endfor %}",
    "a product": "{{ 'a' * 500000000 }}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
}


@pytest.mark.parametrize("name", EXPLOSIVE)
def test_a_template_that_could_explode_is_refused_at_load_and_quickly(desk: Desk, name: str) -> None:
    """Two hundred clients or not: a reload takes no longer, and the file, the line and the text's path are named."""
    clients = "".join(
        f'[clients.c{number}]\naddresses = ["a@c{number}.example"]\ntimezone = "Asia/Tokyo"\n' for number in range(200)
    )
    full = json.dumps(f"{EXPLOSIVE[name]}{{{{ when }}}} This is an automatic reply.")
    desk.config.write_text(f"{SMALL}{clients}[templates.en]\nfull = {full}\n", encoding="utf-8")
    began = time.process_time()
    said = desk.only()
    assert time.process_time() - began < 10
    line = desk.config.read_text(encoding="utf-8").splitlines().index(f"full = {full}") + 1
    assert said.startswith(f"config.toml:{line}: templates.en.full: ")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with the small configuration on it."""
    return Desk(tmp_path)


# -------------------------------------------------------------------------------------- versions


def _faked(**found: str) -> list[str]:
    """Return the warnings with those versions, on a sound Python with fresh time zones."""
    modern = {floor.library: floor.safe for floor in versions.FLOORS} | found
    return list(versions.warnings(2026, version_of=lambda name: modern[name], tz_version="2026a", probes=()))


def test_safe_versions_are_not_warned_of() -> None:
    """At the floors and above nothing is said, whatever the spelling."""
    assert _faked() == []
    assert _faked(imapclient="4.1.0", jinja2="10.0", aiosmtplib="5.1.3.post1", dateparser="1.5.0rc1") == []


@pytest.mark.parametrize(
    ("library", "old"), [("imapclient", "3.1.0"), ("aiosmtplib", "5.1.2"), ("jinja2", "3.1.5"), ("dateparser", "1.4.9")]
)
def test_a_version_below_the_floor_is_named_with_its_danger_and_the_mend(library: str, old: str) -> None:
    """The warning says which, since when it is safe, what it can do and what to type."""
    (said,) = _faked(**{library: old})
    assert said.startswith(f"{library} {old} is older than ")
    assert said.endswith(f"pip install --upgrade {library}")


def test_old_time_zones_and_a_weak_python_are_named() -> None:
    """Time zone data of the year before the last and a Python with a known hole are warned of, each with its mend."""
    probes = ((lambda: True, "it is weak (CVE-0000-0)"), (lambda: False, "never"))
    python, zones = versions.warnings(2026, version_of=lambda _: "99", tz_version="2024b", probes=probes)
    assert "CVE-0000-0" in python
    assert "update Python" in python
    assert "2024b" in zones
    assert "apt install --only-upgrade tzdata" in zones

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    assert not list(versions.warnings(2026, version_of=missing, tz_version="", probes=()))
    assert "jinja2 (its version is not known)" in versions.in_use(missing)


def test_the_holes_of_this_python_are_found_by_trying() -> None:
    """The trials tell the truth on this interpreter: what they say agrees with what its mail library does."""
    message = email.message.EmailMessage()
    incoming = email.message_from_bytes(b"Subject: =?UTF-8?Q?=0ABcc:_evil@x?=\r\n\r\n", policy=email.policy.default)
    try:
        message["Subject"] = incoming["Subject"]
        split = b"\nBcc: evil@x" in message.as_bytes()
    except (ValueError, email.errors.MessageError):
        split = False
    weak = {meaning.rpartition("(")[2]: probe() for probe, meaning in versions.PROBES}
    assert weak["CVE-2024-6923)"] is split
    address = email.utils.parseaddr("alice@example.org)bob@example.com")[1]
    assert weak["CVE-2023-27043)"] is bool(address)
