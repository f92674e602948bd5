"""New text: what the sender wrote just now, without quotes, forwarded letters, signatures and hidden text.

Promises linear time on hostile input, and rather to drop a new sentence than to keep a quoted one: quoted text
never decides a topic. Knows the marks of Russian, English and German mail programs, and some French and Spanish.
"""

from __future__ import annotations

import re
import unicodedata

from selectolax.lexbor import LexborHTMLParser

MOST_TEXT = 8_000  # characters; the new text of a letter, and the measure of all loops here
_MOST_LINE = 300  # characters of a line that may be an attribution or a heading
_ATTRIBUTION_LINES = 3  # mail programs break "On … wrote:" at 78 columns

# ----------------------------------------------------------------------------------------------- HTML

_DROPPED = (
    "script, style, title, template, noscript, blockquote, [hidden], "
    # quotes: Gmail, Yahoo, Proton, Tutanota, Zoho, GMX, Thunderbird, Mail.ru
    ".gmail_quote, .gmail_attr, .yahoo_quoted, .protonmail_quote, .tutanota_quote, .zmail_extra, "
    'div[name="quote"], .moz-cite-prefix, .moz-forward-container, #mail-app-auto-quote, .js-helper, '
    # signatures
    ".gmail_signature, [data-smartmail], .moz-signature, #Signature, .protonmail_signature_block, "
    "#ms-outlook-mobile-signature, [data-signature-widget], .mail-signature"
)
# Everything after these is an older letter: Outlook on the web puts no element around it.
_REST_IS_QUOTED = "#divRplyFwdMsg, #appendonsend, #mail-editor-reference-message-container, [id^=reply-intro]"
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|(?:font-size|max-height|opacity)\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    r"<(?=/?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr|pre|blockquote|section|article|header|footer)[\s/>])",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_CUT = "-----Original Message-----"
_MOST_HTML = 16_384  # characters from <body> on; the parser's time grows with the square of the nesting
_BODY = re.compile("<body", re.IGNORECASE)
# Private-use letters mark dropped elements. Removing elements from the tree is not safe where they are nested.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"([{_OPEN}{_CLOSE}])")


def html_text(html: str) -> str:
    """Return the visible text of an HTML body, one line per block, without marked quotes and signatures."""
    start = _BODY.search(html)
    html = html[start.start() if start else 0 :][:_MOST_HTML]
    if "<pre" not in html and "white-space" not in html:  # there a line break in the source is one on the screen
        html = _SPACE.sub(" ", html)
    tree = LexborHTMLParser(_BLOCK.sub("\n<", html))
    for node in tree.css(_REST_IS_QUOTED):
        node.insert_before(f"\n{_CUT}\n")
    hidden = [node for node in tree.css("[style]") if _HIDDEN.search(node.attributes.get("style") or "")]
    for node in (*tree.css(_DROPPED), *hidden):
        node.insert_before(_OPEN)
        node.insert_after(_CLOSE)
    return _without_marked(tree.body.text(deep=True)) if tree.body is not None else ""


def _without_marked(text: str) -> str:
    if _OPEN not in text:
        return text
    kept: list[str] = []
    depth = 0
    for piece in _MARK.split(text):
        if piece == _OPEN:
            depth += 1
        elif piece == _CLOSE:
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(piece)
    return "".join(kept)


# ----------------------------------------------------------------------------------------- plain text

_SEPARATOR = re.compile(
    r"[-_=*—–\s]{2,}\s*(?:original message|original appointment|forwarded message|forwarded by|reply message"
    r"|исходное сообщение|оригинальное сообщение|пересылаемое сообщение|пересылаемое письмо"
    r"|перенаправленное сообщение|переадресованное сообщение|пересланное сообщение|конец пересылаемого"
    r"|ursprüngliche nachricht|original-?nachricht|weitergeleitete nachricht|message d'origine|message original"
    r"|message transféré|mensaje original|mensaje reenviado)"
    r"|(?:begin forwarded message|начало переадресованного сообщения|начало пересылаемого сообщения"
    r"|anfang der weitergeleiteten nachricht|пересланное сообщение|forwarded message)\s*:",
    re.IGNORECASE,
)
_FROM_LINE = re.compile(r"[*_>\s]*(?:from|от|от кого|von|de|отправитель)\s*:", re.IGNORECASE)
_HEAD_LINE = re.compile(
    r"[*_>\s]*(?:sent|date|to|subject|cc|отправлено|дата|кому|тема|копия|gesendet|datum|an|betreff|envoyé|objet|à"
    r"|enviado|fecha|para|asunto)\s*:",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"(?:wrote|writes|пишет|пишете|писал|писала|писал\(а\)|написал|написала|написал\(а\)|написали|schrieb|a écrit"
    r"|escribió|ha scritto|пише|написав|написала)\s*[:：]$",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"[*_\s]*(?:\d|(?:on|am|le|el|il|в|во|пн|вт|ср|чт|пт|сб|вс|mon|tue|wed|thu|fri|sat|sun"
    r"|понедельник|вторник|среда|среду|четверг|пятница|пятницу|суббота|субботу|воскресенье)\b)",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"(?:sent from (?:my|mail for|yahoo|outlook|the)\b|sent via |get outlook for|отправлено (?:с|со|из)\s"
    r"|отправлено через\s|с уважением, отправлено|von meinem\b.*gesendet|gesendet mit |gesendet von "
    r"|envoyé de mon |enviado desde mi )",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:с уважением|с наилучшими пожеланиями|всего доброго|с почтением|best regards|kind regards|warm regards"
    r"|regards|best wishes|sincerely(?: yours)?|yours (?:sincerely|faithfully)|cheers"
    r"|mit freundlichen grüßen|mit besten grüßen|freundliche grüße|viele grüße|beste grüße|mfg|cordialement"
    r"|bien cordialement|saludos|un saludo)\b",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"(?:p\.?\s?s\b|п\.?\s?с\b|з\.?\s?ы\b)[.:,\s]", re.IGNORECASE)
# What those two can begin with, each in front of its expression: most lines begin with something else.
_MOBILE_BEGINS = frozenset("sgvecос")
_POSTSCRIPT_BEGINS = frozenset("pPпПзЗ")
_MOST_CLOSING = 60  # characters: "С уважением, Иван Петрович" is a closing, a longer line is a sentence
_MOST_HEAD = 4  # lines below "From:" in which another heading must follow


def new_text(text: str) -> str:
    """Return the new text of a plain letter, at most `MOST_TEXT` characters of it."""
    text = unicodedata.normalize("NFC", text[:MOST_TEXT]).replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.replace("\u00a0", " ").rstrip() for line in text.split("\n")]
    kept: list[str] = []
    signed = False
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        index += 1
        if line.startswith(">"):
            continue
        if _begins_older_letter(line, lines, index):
            break
        if used := _attribution(lines, index - 1):
            index += used - 1
            if not _next_is_quoted(lines, index):
                break
            continue
        if line in {"--", "—"} or (len(line) <= _MOST_CLOSING and _CLOSING.match(line)):
            signed = True
        elif line[:1] in _POSTSCRIPT_BEGINS and _POSTSCRIPT.match(line):
            signed = False
        mobile = line[:1].lower() in _MOBILE_BEGINS and len(line) <= _MOST_LINE and _MOBILE.match(line)
        if not signed and not mobile:
            kept.append(line)
    return "\n".join(kept).strip()


def _begins_older_letter(line: str, lines: list[str], below: int) -> bool:
    head = line[:_MOST_LINE]
    if _SEPARATOR.match(head):
        return True
    return (
        ":" in head
        and bool(_FROM_LINE.match(head))
        and any(_HEAD_LINE.match(other[:_MOST_LINE]) for other in lines[below : below + _MOST_HEAD])
    )


def _attribution(lines: list[str], index: int) -> int:
    """Return how many lines from here make up "On … wrote:" or its like; 0 if they are none."""
    joined = lines[index].strip()
    if not joined or len(joined) > _MOST_LINE:
        return 0
    if _is_attribution(joined):
        return 1
    if not _ATTRIBUTION_START.match(joined):
        return 0
    for count in range(2, _ATTRIBUTION_LINES + 1):
        if index + count > len(lines):
            return 0
        joined = f"{joined} {lines[index + count - 1].strip()}"
        if len(joined) <= _MOST_LINE and _is_attribution(joined):
            return count
    return 0


def _is_attribution(line: str) -> bool:
    if not line.endswith((":", "：")):
        return False
    dated = any(ch.isdigit() for ch in line)
    addressed = "@" in line
    if _WROTE.search(line):
        return dated or addressed
    return dated and addressed and "<" in line


def _next_is_quoted(lines: list[str], index: int) -> bool:
    for line in lines[index:]:
        if line.strip():
            return line.lstrip().startswith(">")
    return False
