"""What failed, sorted by what to do about it.

Adapters translate their library's errors into these at the edge; the engine and the daemon only ever
ask which of these it is. Every message says what was tried, where, and what to do.
"""


class ResponderError(Exception):
    """The root: something that a person can read and act on."""


class ConfigurationError(ResponderError):
    """The owner must change something: a wrong file, a wrong password. Do not hammer; exit status 78."""


class TemporaryError(ResponderError):
    """Try again later, from the start: no state of the failed attempt may be believed.

    Args:
        message: what was tried, where, and what to do.
        retry_after: seconds that the other side asked us to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClockError(ResponderError):
    """The machine's clock cannot be believed: decide, send and move nothing until it can."""


class PermanentError(ResponderError):
    """A definite no. Trying again would get the same answer."""


class DamagedError(PermanentError):
    """The ledger cannot be used any more: only a person can mend that. Exit status 78, so that nobody restarts it."""


def how_to_add(extra: str) -> str:
    """Return how an optional part is installed: from the source, because by its name an index has somebody else's."""
    return f'add it with: pip install "/opt/responder-src[{extra}]" (the folder that responder was installed from)'
