"""Where an IMAP session logs in, and what goes wrong there, said in our errors.

Promises the rooms of the mailbox that nothing of the library's, the sockets' or TLS's own errors gets past them.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imapclient.exceptions import IMAPClientError

from responder.adapters.imap_answers import asked_to_wait, readable
from responder.errors import ResponderError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


# The library repeats the line that it did not expect. Out of step, that may be a line of a letter.
_OUT_OF_STEP = re.compile(
    r"(unexpected (?:tagged )?response|unterminated line|No literal corresponds to|Tuple incomplete).*",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to log in, and as whom: by a password, or by OAuth2's ``token``.

    ``ca_file`` replaces the system's authorities; ``timeout`` in seconds.
    """

    name: str
    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    username: str
    password: Callable[[], str] | None
    token: Callable[..., str] | None = None
    ca_file: Path | None = None
    timeout: float = 60

    def __str__(self) -> str:
        """Return where this is, for an error's text."""
        return f"mailbox {self.name} (imap {self.host}:{self.port})"


@contextlib.contextmanager
def translated(account: Account, doing: str) -> Generator[None]:
    """Turn whatever the library, the sockets or TLS raise into one of our errors: the only place that does."""
    try:
        yield
    except ResponderError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise TemporaryError(
            f"{account}: {doing}: its certificate is not trusted ({error.verify_message}); nothing was sent. "
            "Compare the host in the configuration with the certificate, or ask the provider"
        ) from error
    except socket.gaierror as error:
        raise TemporaryError(f"{account}: there is no host of that name, or no network") from error
    except ConnectionRefusedError as error:
        raise TemporaryError(f"{account}: nobody listens there; compare host and port with your provider's") from error
    except TimeoutError as error:
        raise TemporaryError(f"{account}: {doing}: no answer in time") from error
    except (IMAPClientError, OSError, EOFError, ValueError, LookupError) as error:
        words = readable(_OUT_OF_STEP.sub(r"\1", str(error))) or type(error).__name__
        if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
            words = 'this port does not begin with TLS: use port 993, or security = "starttls"'
        elif words == "socket error: EOF":  # the library's words where there is not even a greeting
            words = "the server closed the connection"
        raise TemporaryError(f"{account}: {doing}: {words}", retry_after=asked_to_wait(str(error))) from error
