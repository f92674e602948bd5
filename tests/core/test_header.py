"""Header fields and addresses are read strictly, safely and in linear time."""

from __future__ import annotations

import time
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.address import normal_address, read_mailboxes, without_comments, without_tags
from responder.core.header import clean, decoded, instant, media_type, message_ids, split_fields


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Anna@Example.COM", "anna@example.com"),
        (" anna@example.com ", "anna@example.com"),
        ("anna+x@example.com", "anna+x@example.com"),
        ("anna@пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@ПРИМЕР。рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@fußball.example", "anna@xn--fuball-cta.example"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("a" * 65 + "@example.com", ""),
        ("a@" + "b." * 125 + "com", ""),
        ("", ""),
        ("anna", ""),
        ("@example.com", ""),
        ("anna@", ""),
        ("a@b@example.com", ""),
        ("<anna@example.com>", ""),
        ("anna@example.com, eve@example.com", ""),
        ("an na@example.com", ""),
        ('"an na"@example.com', ""),
        ("anna..b@example.com", ""),
        (".anna@example.com", ""),
        ("анна@example.com", ""),
        ("anna@[192.0.2.1]", ""),
        ("anna@192.0.2.1", ""),
        ("anna@-x.example", ""),
        ("anna@x_y.example", ""),
        ("anna@example.com.", ""),
        ("anna@exam\x00ple.com", ""),
        ("anna@example.com\r\nBcc: eve@example.com", ""),
        ("anna@exam\u200bple.com", ""),
        ("anna@пример\u202e.рф", ""),
    ],
)
def test_one_address_has_one_normal_form(text: str, normal: str) -> None:
    """An address has one normal form, and what is not exactly one address has none."""
    assert normal_address(text) == normal


@given(st.text(max_size=300))
def test_normal_addresses_are_ascii_and_stable(text: str) -> None:
    """A normal address is printable ASCII of at most 254 octets, and normalising it again changes nothing."""
    normal = normal_address(text)
    assert normal == "" or (normal.isascii() and normal.isprintable() and len(normal) <= 254)
    assert normal == "" or normal_address(normal) == normal


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("Ivan <Ivan@Vostok.example>", ("ivan@vostok.example",)),
        ('"Петров, Иван" <ivan@vostok.example>', ("ivan@vostok.example",)),
        ('"boss@client.example" <evil@x.example>', ("evil@x.example",)),
        ("=?utf-8?q?boss=40client=2E?= <evil@x.example>", ("evil@x.example",)),
        ("a@x.example (Alice (nested) \\) )", ("a@x.example",)),
        ("a@x.example <a@x.example>", ("a@x.example",)),
        ("boss@client.example <evil@x.example>", ("",)),
        ("alice(c)@x.example", ("",)),
        ("alice@example.org(c)bob", ("",)),
        ("Alice <a@x.example> <b@x.example>", ("",)),
        ("Alice <a@x.example> Bob", ("",)),
        ('"unclosed <a@x.example>', ("",)),
        ('"escaped\\" <a@x.example>', ("",)),
        ("<@relay,@other:a@x.example>", ("",)),
        ("<>", ("",)),
        ("", ()),
        ("a@x.example, Bob <b@x.example>,", ("a@x.example", "b@x.example")),
        ("a@x.example; b@x.example", ("a@x.example", "b@x.example")),
        ("Doe, John <a@x.example>", ("", "a@x.example")),
    ],
)
def test_address_lists_are_read_by_the_grammar(value: str, addresses: tuple[str, ...]) -> None:
    """Names, quotes and comments never turn into addresses, and a doubtful member has none."""
    read = read_mailboxes(value)
    assert read.addresses == addresses
    assert not read.grouped
    assert not read.broken


def test_groups_give_their_members() -> None:
    """A group's members are read, an empty group has none, and both are known as groups."""
    assert read_mailboxes('Team: a@x.example, "B, b" <b@x.example>;') == read_mailboxes("Team:a@x.example,b@x.example;")
    assert read_mailboxes("undisclosed-recipients:;").addresses == ()
    assert read_mailboxes("undisclosed-recipients:;").grouped


@pytest.mark.parametrize("value", ["alice@example.org)bob@evil.example", "a@x.example (open", "(" * 3000])
def test_unpaired_parentheses_break_a_list(value: str) -> None:
    """Where programs differ over a comment's end, nobody is named."""
    assert read_mailboxes(value).broken
    assert read_mailboxes(value).addresses == ()


def test_long_lists_are_read_at_their_beginning_only() -> None:
    """At most 200 members are read."""
    assert len(read_mailboxes(", ".join(f"a{n}@x.example" for n in range(2000))).addresses) == 200


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("ivan+bill@x.example", "ivan@x.example"),
        ("prvs=0123456789=ivan@x.example", "ivan@x.example"),
        ("prvs=0123abcdef=ivan+bill@x.example", "ivan@x.example"),
        ("prvs=ivan/0123abcdef@x.example", "ivan@x.example"),
        ("btv1==0123==ivan@x.example", "ivan@x.example"),
        ("+bill@x.example", "+bill@x.example"),
        ("ivan@x.example", "ivan@x.example"),
    ],
)
def test_tags_come_off(address: str, plain: str) -> None:
    """BATV tags and what follows a plus sign come off a local part."""
    assert without_tags(address) == plain


def test_comments_are_found_outside_quotes_only() -> None:
    """A parenthesis inside a quoted string begins no comment."""
    assert without_comments('"(" no (a "b)" c') == '"(" no  " c'
    assert without_comments("no (a (b) c)").strip() == "no"  # type: ignore[union-attr] # paired: not None


def test_fields_keep_order_and_repetitions() -> None:
    """Folding, bare line feeds, odd spacing and lines that are no field are survived."""
    fields = split_fields(
        b"From mbox Mon Nov 23 10:00:00 2026\nSubject : a\r\n\tb\nnonsense\n: x\nX-L\xc3: y\nsubject:c\n\nTo: body"
    )
    assert fields.ordered == (("subject", b"a b"), ("subject", b"c"))
    assert split_fields(b"\r\nSubject: body").ordered == ()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Договор аренды".encode(), "Договор аренды"),
        ("Договор аренды".encode("cp1251"), "Договор аренды"),
        ("Договор аренды".encode("koi8-r"), "Договор аренды"),
        ("Rückruf morgen früh".encode("cp1252"), "Rückruf morgen früh"),
        (b"=?utf-8?B?0JTQvtCz0L7QstC+0YA=?=\r\n =?UTF-8?Q?_=D0=B0?=", "Договор а"),
        (b"=?koi8-r?B?5M/Hz9fP0g==?= tail", "Договор tail"),
        (b"=?utf-8?B?0A==?= =?utf-8?B?lA==?=", "Д"),
        (b"=?windows-1251*ru?Q?=C4=EE?=", "До"),
        (b"=?x-unknown?Q?=D0=94?=", "Д"),
        (b"=?zip?Q?abc?= =?rot13?Q?abc?= =?tactis?Q?x?=", "abcabcx"),
        (b"=?UTF-8?Q?=0D=0ABcc:_eve=40x.example?=", "Bcc: eve@x.example"),
        (b"a\x00b\x1b[31m\x7fc", "ab[31mc"),
        ("a\u2028b\u202ec\u2066d\ufeff".encode(), "a bcd"),
        (b"=?utf-8?Q?unclosed", "=?utf-8?Q?unclosed"),
        (b"", ""),
    ],
)
def test_text_is_decoded_and_cleaned(raw: bytes, text: str) -> None:
    """Encoded words and raw 8-bit text are decoded; no control, bidi or line-breaking character is left."""
    assert decoded(raw) == text


@given(st.binary(max_size=2000))
def test_decoded_text_is_one_harmless_line(raw: bytes) -> None:
    """Whatever the bytes, the text is short, encodable and free of control characters."""
    text = decoded(raw, 100)
    assert len(text) <= 100
    text.encode()
    assert not {unicodedata.category(ch) for ch in text} & {"Cc", "Zl", "Zp", "Cs"}
    assert clean(text, 100) == text


@pytest.mark.parametrize(
    ("raw", "media", "parameters"),
    [
        (b"", "text/plain", {}),
        (b"Text/HTML; Charset=utf-8", "text/html", {"charset": "utf-8"}),
        (b'multipart/mixed; boundary="a;b \\"c\\""; x=y', "multipart/mixed", {"boundary": 'a;b "c"', "x": "y"}),
        (b"text/calendar (c); method=REQUEST (c)", "text/calendar", {"method": "REQUEST"}),
        (b"text/plain; name*", "text/plain", {}),
    ],
)
def test_content_types_are_read(raw: bytes, media: str, parameters: dict[str, str]) -> None:
    """Types and parameter names are lower-case, quotes come off, nonsense is left out."""
    assert media_type(raw) == (media, parameters)


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        (b"<a@x.example>", ["<a@x.example>"]),
        (b"<a@x.example> junk\r\n <b@x.example>", ["<a@x.example>", "<b@x.example>"]),
        (b"<[x@outlook.example]>", ["<[x@outlook.example]>"]),
        (b'<> <@> <no-at> <a b@x> <"q"@x> <a@b@c> <a\x01@x> <\xff@x>', []),
        (b"<" + b"a" * 250 + b"@x.example>", []),
    ],
)
def test_only_strict_ids_pass(raw: bytes, ids: list[str]) -> None:
    """An id that could break out of a header or an IMAP argument is not an id."""
    assert message_ids(raw) == ids


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (b"Mon, 23 Nov 2026 10:00:00 +0300 (MSK)", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        (b"23 Nov 2026 10:00 -0000", datetime(2026, 11, 23, 10, 0, tzinfo=UTC)),
        (b"Mon, 31 Dec 2026 23:59:60 +0000", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"Mon, 23 Nov 2026 10:00:00 +9999", None),
        (b"Mon, 99 Nov 99999999999 10:00:00 +0000", None),
        (b"Mon, 1 Jan 10000 00:00:00 +0000", None),
        (b"yesterday", None),
        (b"", None),
        (b"(" * 5000, None),
    ],
)
def test_dates_are_instants_or_nothing(raw: bytes, at: datetime | None) -> None:
    """A readable Date is an instant in UTC, any other is None."""
    assert instant(raw) == at


@pytest.mark.parametrize(
    "value",
    [
        '"',
        '\\"',
        "(",
        "<",
        "a@",
        ",a",
        "<a@b",
        '"\\',
        "a.",
        '"a" ',
        "=?utf-8?q?",
        "=?utf-8?q?a?= ",
        "; a",
        ";a=",
        "<a",
    ],
)
def test_reading_is_linear(value: str) -> None:
    """64 KB of any one piece of syntax is read in a blink."""
    text = (value * 65_536)[:65_536]
    raw = text.encode()
    began = time.process_time()
    read_mailboxes(text)
    read_mailboxes(text[:20_000])
    normal_address(text)
    decoded(raw)
    media_type(raw)
    message_ids(raw)
    split_fields(b"A: " + raw)
    assert time.process_time() - began < 0.2
