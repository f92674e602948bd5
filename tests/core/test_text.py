"""New text is what the sender wrote just now: no quote, no signature, no hidden word gets through."""

from __future__ import annotations

import base64
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.header import split_fields
from responder.core.mime import first_text, split_message
from responder.core.model import Part, Topic
from responder.core.subject import quotable, without_prefixes
from responder.core.text import html_text, new_text
from responder.core.topics import attached_document, find_topic, prepare

TOPICS = (
    Topic(key="meeting", words=("перенос*", "reschedule", "new time"), attachments=False, response=None),
    Topic(key="documents", words=("договор*", "на проверку", "счёт", "contract"), attachments=True, response=None),
)

OLD = "старый договор, contract"

# What mail programs write above an older letter; OLD follows it.
QUOTES = [
    f"On Mon, Nov 23, 2026 at 10:00 AM Anna <anna@example.com> wrote:\n> {OLD}\n",
    f"On Mon, Nov 23, 2026 at 10:00 AM Anna Svetlova\n<anna@example.com> wrote:\n> {OLD}\n",
    f"On Mon, Nov 23, 2026, Anna wrote:\n\n{OLD}\n",
    f"пн, 23 нояб. 2026 г. в 10:00, Anna <anna@example.com>:\n\n> {OLD}\n",
    f"23.11.2026 10:00, Анна Светлова пишет:\n> {OLD}\n",
    f'23.11.2026, 10:00, "Анна" <anna@example.com>:\n{OLD}\n',
    f"23 нояб. 2026 г., в 10:00, Анна <anna@example.com> написал(а):\n\n{OLD}\n",
    f"Понедельник, 23 ноября 2026, 10:00 +03:00 от Анна <anna@example.com>:\n \n>{OLD}\n",
    f"Am 23.11.2026 um 10:00 schrieb Anna:\n> {OLD}\n",
    f"Am Mo., 23. Nov. 2026 um 10:00 Uhr schrieb Anna <\nanna@example.com>:\n\n> {OLD}\n",
    f"Le lun. 23 nov. 2026 à 10:00, Anna <anna@example.com> a écrit :\n> {OLD}\n",
    f"-----Original Message-----\nFrom: Anna\n\n{OLD}\n",
    f"-----Исходное сообщение-----\n{OLD}\n",
    f"-----Ursprüngliche Nachricht-----\n{OLD}\n",
    f"-------- Пересылаемое сообщение --------\n{OLD}\n-------- Конец пересылаемого сообщения --------\n{OLD}",
    f"---------- Forwarded message ---------\n{OLD}\n",
    f"Begin forwarded message:\n\n{OLD}\n",
    f"Начало переадресованного сообщения:\n\n{OLD}\n",
    f"________________________________\nFrom: Anna <anna@example.com>\nSent: Monday\nTo: Ivan\n\n{OLD}\n",
    f"От: Анна <anna@example.com>\nОтправлено: 23 ноября\nКому: Иван\n\n{OLD}\n",
    f"*Von:* Anna\n*Gesendet:* Montag\n\n{OLD}\n",
    f"> {OLD}\n>> {OLD}\n",
    f"-- \nИван, отдел договоров, {OLD}\n",
    f"С уважением,\nИван Петров\n{OLD}\n",
    f"Best regards, Ivan\n{OLD}\n",
    f"Sent from my iPhone\n> {OLD}\n",
    f"Отправлено с iPhone\n\n> 23 нояб. 2026 г., в 10:00, Анна <a@x.example> написал(а):\n> {OLD}\n",
]


@pytest.mark.parametrize("quote", QUOTES)
def test_quoted_text_never_decides_a_topic(quote: str) -> None:
    """What any mail program sets under the new text is not part of it."""
    text = new_text(f"Добрый день!\n\nСпасибо, увидел.\n\n{quote}")
    assert text.startswith("Добрый день!\n\nСпасибо, увидел.")
    assert find_topic(prepare(TOPICS), "", text, ()) == ("", "")


@pytest.mark.parametrize("quote", QUOTES)
def test_quoted_text_in_carriage_returns_never_decides(quote: str) -> None:
    """The marks are known with CRLF line ends as well."""
    assert "договор" not in new_text(f"Да.\n\n{quote}".replace("\n", "\r\n"))


def test_answers_between_quotes_and_postscripts_are_new() -> None:
    """Text below a quoted line, and a postscript below a signature, are the sender's."""
    text = new_text(
        "On 23 Nov 2026 Anna wrote:\n> Which?\nThe contract.\n\nС уважением,\nИван\nP.S. Перенос на среду\n"
    )
    assert text == "The contract.\n\nP.S. Перенос на среду"


@pytest.mark.parametrize(
    "line",
    [
        "Посылаю договор от 23.11.2026:",
        "From: the first page on, the contract is wrong.",
        "Спасибо, с уважением отношусь к Вашему договору и жду ответа по всем его пунктам.",
        "Он пишет: «договор готов».",
        "--- Договор ---",
    ],
)
def test_ordinary_sentences_stay(line: str) -> None:
    """A sentence that only resembles a mark is kept."""
    assert new_text(f"Анна,\n{line}\nконец") == f"Анна,\n{line}\nконец"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Дого<b>вор</b>&nbsp;<i>аренды</i></p><p>два</p>", "Договор аренды\n\nдва"),
        ("<div>a</div><blockquote>old</blockquote><div>b</div>", "a\n\n\nb"),
        ('<div>a</div><div class="gmail_quote">On x:<blockquote>old</blockquote>old</div>', "a"),
        ('a<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> x</div>old', "a"),
        ('a<div style="border:none"><p><b>From:</b> Anna<br><b>Sent:</b> Monday</p></div><p>old</p>', "a"),
        ('<span style="DISPLAY : none">old</span>a<div style="max-height:0px">old</div>', "a"),
        ('<span style="font-size:0.9em">a</span>', "a"),
        ("<title>old</title><style>old</style><script>old</script>a<!-- old -->", "a"),
        ('a<div class="gmail_signature">old</div><div class="moz-signature">old</div>', "a"),
        ("a<div><div>23.11.2026, 10:00, &quot;Anna&quot; &lt;anna@example.com&gt;:</div><div>old</div></div>", "a"),
        ("<pre>a\n&gt; old\nb</pre>", "a\nb"),
        ("a<blockquote>old<blockquote>old</blockquote>old", "a"),
        ("", ""),
        ("<", "<"),
    ],
)
def test_html_becomes_its_new_visible_text(html: str, text: str) -> None:
    """Quotes, hidden text, signatures and code are left out, words are not torn apart."""
    assert new_text(html_text(html)) == text


@pytest.mark.parametrize(
    ("subject", "text", "found"),
    [
        ("Договоры", "", ("documents", "Договоры")),
        ("Re: Fwd[2]: ДОГОВОР", "", ("documents", "ДОГОВОР")),
        ("", "прошу на \n проверку", ("documents", "на \n проверку")),
        ("", "выставляю счет", ("documents", "счет")),
        ("", "выставляю СЧЁТ", ("documents", "СЧЁТ")),
        ("", "contracts", ("", "")),
        ("", "subcontract", ("", "")),
        ("", "the contract.", ("documents", "contract")),
        ("договор", "Нужен перенос", ("meeting", "перенос")),
        ("", "доI\u0306говор new  time", ("meeting", "new  time")),
        ("", "", ("", "")),
    ],
)
def test_words_decide_the_topic(subject: str, text: str, found: tuple[str, str]) -> None:
    """Whole words in any case and either ё, a star for any ending; the topic first in the file wins."""
    assert find_topic(prepare(TOPICS), subject, text, ()) == found


@pytest.mark.parametrize(
    ("part", "document"),
    [
        (Part(media="application/pdf", disposition="attachment", filename="a.pdf"), "a.pdf"),
        (Part(media="application/pdf"), "application/pdf"),
        (Part(media="application/octet-stream", filename="Договор.DOCX"), "Договор.DOCX"),
        (Part(media="application/zip", filename="a"), "a"),
        (Part(media="text/csv", disposition="attachment", filename="a.csv"), "a.csv"),
        (Part(media="application/vnd.oasis.opendocument.text", filename="a.odt"), "a.odt"),
        (Part(media="application/pdf", disposition="inline", filename="a.pdf"), ""),
        (Part(media="text/plain"), ""),
        (Part(media="image/png", disposition="attachment", filename="a.png"), ""),
        (Part(media="application/pkcs7-signature", disposition="attachment", filename="smime.p7s"), ""),
        (Part(media="application/octet-stream", filename="smime.p7s"), ""),
        (Part(media="application/octet-stream", filename="pdf"), ""),
        (Part(media="application/pgp-signature", filename="signature.asc"), ""),
        (Part(media="text/vcard", disposition="attachment", filename="a.vcf"), ""),
        (Part(media="text/calendar", disposition="attachment", filename="a.ics"), ""),
        (Part(media="message/rfc822", disposition="attachment", filename="a.eml"), ""),
    ],
)
def test_attached_documents(part: Part, document: str) -> None:
    """Documents and archives count where they are attached; pictures, signatures, cards and calendars never."""
    assert attached_document((part,)) == document
    assert find_topic(prepare(TOPICS), "", "", (part,)) == (("documents", document) if document else ("", ""))


@pytest.mark.parametrize(
    ("subject", "quoted"),
    [
        ("Договор аренды", "Договор аренды"),
        ("Re: Договор № 5 от 12.03.2026", "Re: Договор № 5 от 12.03.2026"),
        ("слово " * 30, ("слово " * 13).strip() + "…"),
        ("ы" * 100, "ы" * 79 + "…"),
        ("write to eve@x.example", ""),
        ("write to eve\uff20x", ""),
        ("see https://x.example", ""),
        ("see www.x", ""),
        ("go to casino.example now", ""),
        ("сайт пример.рф", ""),
        ("a\ufffdb", ""),
        ("???", ""),
        ("...", ""),
        ("", ""),
    ],
)
def test_quotable_subjects(subject: str, quoted: str) -> None:
    """A subject is quoted up to 80 characters, and not at all with an address, a link or no letter in it."""
    assert quotable(subject) == quoted
    assert len(quoted) <= 80


def test_prefixes_come_off() -> None:
    """Only the leading prefixes are taken off."""
    assert without_prefixes("Re: Отв: FWD: Re: Договор") == "Re: Договор".removeprefix("Re: ")
    assert without_prefixes("Review: Re: x") == "Review: Re: x"


LETTER = "Прошу посмотреть договор аренды помещения.\n"


def multipart(kind: str, *parts: bytes) -> tuple[bytes, bytes]:
    """Return the header and the body of a multipart of those parts."""
    body = b"".join(b"--b1\r\n" + part + b"\r\n" for part in parts) + b"--b1--\r\n"
    return f'Content-Type: multipart/{kind}; boundary="b1"\r\n'.encode(), body


PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + LETTER.encode()
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>html</p>"
ATTACHED = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nattached"
INNER = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\ninner"


@pytest.mark.parametrize(
    ("header", "body", "content"),
    [
        (b"Content-Type: text/plain; charset=koi8-r\n", LETTER.encode("koi8-r"), LETTER),
        (b"Content-Type: text/plain; charset=x-unknown\n", LETTER.encode("cp1251"), LETTER),
        (b"Content-Type: text/plain; charset=us-ascii\n", LETTER.encode(), LETTER),
        (b"Content-Transfer-Encoding: Base64\n", base64.encodebytes(LETTER.encode()), LETTER),
        (b"Content-Transfer-Encoding: quoted-printable\n", quopri.encodestring(LETTER.encode()), LETTER),
        (*multipart("alternative", HTML, PLAIN), LETTER),
        (*multipart("mixed", ATTACHED, INNER, HTML, PLAIN), "<p>html</p>"),
        (*multipart("mixed", INNER), ""),
        (*multipart("alternative", b"Content-Type: text/plain\r\n\r\n \r\n", HTML), "<p>html</p>"),
        (b"Content-Type: multipart/mixed\n", b"--b1\n\nx", ""),
        (b"Content-Type: image/png\n", b"x", ""),
    ],
)
def test_the_first_text_is_found(header: bytes, body: bytes, content: str) -> None:
    """The letter is found and decoded, whatever its wrapping; attachments and attached messages are passed over."""
    assert first_text(split_fields(header), body).content.strip() == content.strip()


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
@given(cut=st.integers(min_value=200, max_value=2000))
def test_a_beginning_may_be_cut_anywhere(encoding: str, cut: int) -> None:
    """Whatever octet the server stops at, the text before it is there."""
    raw = (LETTER * 20).encode()
    coded = {"8bit": raw, "base64": base64.encodebytes(raw), "quoted-printable": quopri.encodestring(raw)}[encoding]
    part = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n"
    header, body = multipart("mixed", part + coded)
    content = first_text(split_fields(header), body[: len(part) + 10 + cut]).content
    assert content
    assert (LETTER * 20 + "\r").startswith(content.rstrip("\ufffd=").rstrip("\r\n-b1"))


def test_a_whole_message_falls_into_header_body_and_leaves() -> None:
    """The structure is flat, names are decoded, an attached message is one leaf."""
    header, body = multipart(
        "mixed",
        PLAIN,
        INNER,
        b"Content-Type: application/pdf; name*=utf-8''%D0%B4.pdf\r\nContent-Disposition: attachment\r\n\r\nx",
        b"Content-Type: text/calendar; METHOD=REQUEST\r\n\r\nx",
    )
    header += b"MIME-Version: 1.0\r\n"
    split, found = split_message(header + b"\r\n" + body)
    assert split == header
    assert found.beginning == body
    assert found.parts is not None
    assert [(part.media, part.disposition, part.filename) for part in found.parts] == [
        ("text/plain", "", ""),
        ("message/rfc822", "", ""),
        ("application/pdf", "attachment", "д.pdf"),
        ("text/calendar", "", ""),
    ]
    assert found.parts[3].parameters["method"] == "REQUEST"


def test_a_structure_too_deep_is_no_structure() -> None:
    """Two thousand nested multiparts give no parts instead of an exception."""
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000))
    assert split_message(raw)[1].parts is None


@given(st.binary(max_size=1000))
def test_splitting_loses_nothing(raw: bytes) -> None:
    """Any bytes split, and the two halves hold all of them but the empty line."""
    header, body = split_message(raw)
    assert raw.startswith(header)
    assert raw.endswith(body.beginning)
    assert len(raw) - len(header) - len(body.beginning) <= 2


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        "On ",
        "On 1\n",
        "1 wrote:\n",
        "-",
        " ",
        "From:\n",
        "1\n",
        "- ",
        "> ",
        "договор ",
        "на ",
        "п.с",
        "<div>",
        "<li><ul>",
        "<blockquote>",
        "<b><p>",
        "<a style=display:none>",
        "&",
        "<!--",
        "<table><td>",
        "new \n",
    ],
)
def test_hostile_text_costs_little(piece: str) -> None:
    """64 KB of any one piece is read, stripped and searched in a blink."""
    text = (piece * 65_536)[:65_536]
    began = time.process_time()
    stripped = new_text(text)
    new_text(html_text(text))
    find_topic(prepare(TOPICS), text[:1000], stripped, ())
    assert time.process_time() - began < 0.2
