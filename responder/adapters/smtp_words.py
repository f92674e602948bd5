"""Words to and from SMTP: the gate for addresses, and what servers say as sentences for the owner."""

from __future__ import annotations

import socket
import ssl

from responder.core.address import normal_address
from responder.errors import PermanentError

MOST_CHARACTERS = 300  # a server's answer can be 32 KB; the ledger keeps the sentence for years

# What a code means to the person who reads it: the first that fits (code, and what its text must hold, lower case).
MEANINGS = (
    (421, "", "the server is closing the connection: too busy, or too many connections at once"),
    (
        550,
        "5.7.30",
        "the provider takes no passwords for sending any more; switch on SMTP AUTH there, or use OAuth2",
    ),
    (
        535,
        "5.7.139",
        "the provider has switched sending with a password off for this mailbox; switch on SMTP AUTH there",
    ),
    (534, "", "the provider wants an app password instead of the account's own"),
    (535, "", "the server refused the login: user name or password is wrong, or it wants an app password"),
    (530, "", "the server wants a login, or encryption, first"),
    (552, "5.2.2", "the recipient's mailbox is full"),
    (552, "", "the message is too large, or the mailbox full"),
    (554, "spam", "the server took the reply for spam"),
    (550, "spam", "the server took the reply for spam"),
    (550, "5.1.1", "the recipient's address does not exist"),
)


def smtp_address(text: str) -> str:
    """Return the address if SMTP can carry it as it stands: one plain ASCII ``local@domain``, at most 254 octets.

    The one gate through which text becomes an SMTP argument. Nothing is stripped or mended: what changes when it is
    read is not the address that was meant. The case of the local part is kept.

    Raises:
        PermanentError: it is anything else.
    """
    if not text or not text.isascii() or normal_address(text) != text.lower():
        raise PermanentError(f"not an address that SMTP can carry: {text[:64]!a}")
    return text


def meaning(code: int, text: str) -> str:
    """Return what a server's refusal means, with its own words behind."""
    low = text.lower()
    for wanted, word, words in MEANINGS:
        if wanted == code and word in low:
            return plain(f"{words} ({code} {text})")
    return plain(f"the server said {code} {text}")


def reason(error: BaseException) -> str:
    """Return why there is no connection, as the end of a sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no encryption could be agreed ({error.reason}: is it the right port?)"
    if isinstance(error, socket.gaierror):
        return f"the server's name cannot be looked up ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "the server stayed silent for too long"
    if isinstance(error, ConnectionError):
        return "the server hung up"
    if "STARTTLS" in str(error):
        return "the server offers no STARTTLS (or somebody on the way took it out)"
    return plain(str(error))


def plain(text: str) -> str:
    """Return foreign words fit for the ledger and a terminal: no control characters, no half letters, short."""
    text = text.encode(errors="surrogateescape").decode(errors="replace")
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:MOST_CHARACTERS]
