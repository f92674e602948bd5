"""Hostile mail by construction: pieces that readers stumble over, and what Hypothesis and the fuzzer make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from responder.core.facts import HEADER_FIELDS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

#: Every field that is read, and one that is not.
FIELDS = (*HEADER_FIELDS, "Received", "Authentication-Results", "X-Other", "Subject:", "")

#: Words of the grammars that are read. Repeated without end, each is a trial of somebody's loop.
UNITS: tuple[str, ...] = (
    *("a", "1", " ", "\t", "\n", "\r", "\r\n", "\r\n ", "\n\n", "\x00", "\x1b[2J", "\x7f", "\x85"),
    *("é", "ж", "ﷺ", "á̖̗"),
    *("(", ")", '"', '\\"', "\\", "<", ">", "<>", "@", ",", ";", ":", "=", "?", ".", "-", "--"),
    *("_", "*", "/", "%", "+", "&"),
    *("a@b", "a@b,", "a: a@b;", "a=b;", 'a="', 'a*0*="', "name*", "name*=", "<a@", "<a@b"),
    *("<a@b>", "prvs=", "btv1==", "xn--"),
    *("=?", "?=", "=?utf-8?q?", "=?utf-8?q?a?= ", "=?utf-8?b?YQ==?=", "=?utf-7?q?+AGE-?="),
    *("=?x?q?=0A?=", "=3D", "=\r\n", "=0A"),
    *("--b\n", "--b--\n", "----\n", "Content-Type: multipart/mixed; boundary=b\n\n", "content-type: a;\r\n "),
    *("From: a@b\r\n", "To: a@b\r\n", "List-Id: x\r\n", "Received: by x\r\n", " by a.example"),
    *("dmarc=pass ", " dmarc=fail;"),
    *("> ", "on 1 wrote:\n", "on ", "From: a\n", "с уважением\n", "P.S. ", "Re: ", "re[1]:"),
    *("dog.example", "договор", "на "),
    *("<div>", "</div>", "<p", "<br>", '<div style="display:none', "<blockquote>", "<body"),
    *("<pre", "<!--", "&#x", "\ue000"),
    *("\u202e", "\u200b", "\u2028", "\ufeff", "\ud800", "{{7*7}}", "{% for %}", "-----BEGIN PGP MESSAGE-----"),
    *("Action: failed\n", "Final-Recipient: rfc822;", "Mon, ", "1 Jan 2020 ", "12:", "+0000 "),
    *("no-reply", "-request", "bounce"),
    *("1 (UID 1", ' BODY[] "', " BODY[", " FLAGS (", ' INTERNALDATE "', "{1}", "NIL ", '("a" "b"', '(("a" "b" NIL'),
)  # fmt: skip

BOSS = b"Return-Path: <ivan@vostok.example>\r\nFrom: Ivan <ivan@vostok.example>\r\nTo: anna@example.com\r\n"


def octets(text: str) -> bytes:
    """Return a text as a sender could write it: half letters stay half."""
    return text.encode("utf-8", "surrogatepass")


def mixed(most: int) -> SearchStrategy[bytes]:
    """Return values made of units, raw octets and repetitions."""
    unit = st.sampled_from(UNITS).map(octets)
    return st.lists(
        st.one_of(
            unit,
            unit,
            st.binary(max_size=12),
            st.text(max_size=8).map(octets),
            st.tuples(unit, st.integers(2, 40)).map(lambda pair: pair[0] * pair[1]),
            st.sampled_from([b"ivan@vostok.example", b"<ivan@vostok.example>", b"anna@example.com", b"<1@x.example>"]),
        ),
        max_size=most,
    ).map(b"".join)


FIELD = st.tuples(
    st.sampled_from(FIELDS).map(str.encode), st.sampled_from([b": ", b":", b" :", b":\r\n "]), mixed(6)
).map(lambda parts: b"".join(parts) + b"\r\n")


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Build a header of hostile fields, often below an honest sender's, then damage it."""
    fields = draw(st.lists(FIELD, max_size=8))
    made = (BOSS if draw(st.booleans()) else b"") + b"".join(fields)
    return damaged(draw, made) + draw(st.sampled_from([b"\r\n", b"\n", b""]))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Build a body: parts in parts, texts in any coding, cut anywhere."""
    pieces = draw(
        st.lists(
            st.one_of(
                mixed(6),
                FIELD,
                st.sampled_from(
                    [
                        b"--b\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n",
                        b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                        b"--b\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n",
                        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n",
                        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
                        b"--b--\r\n",
                        b"\r\n\r\n",
                    ]
                ),
            ),
            max_size=8,
        )
    )
    return damaged(draw, b"".join(pieces))


def damaged(draw: st.DrawFn, made: bytes) -> bytes:
    """Cut, double or overwrite octets: what a broken program between the two would do."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(made)))
        upto = min(len(made), at + draw(st.integers(0, 20)))
        made = draw(
            st.sampled_from(
                [
                    made[:at] + made[upto:],
                    made[:at] + made[at:upto] * 3 + made[upto:],
                    made[:at] + draw(st.binary(max_size=4)) + made[upto:],
                    made[:upto],
                ]
            )
        )
    return made
