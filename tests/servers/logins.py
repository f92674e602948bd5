"""The login service that Cyrus and Postfix ask (Cyrus SASL calls it saslauthd): any user, password "secret".

The protocol is that of ``pwcheck_method: saslauthd``: user, password, service and realm, each with its length before
it in two octets; the answer begins with OK or NO.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from typing import TYPE_CHECKING

from tests.servers.dovecot import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

#: What stands in a server's configuration; it adds ``saslauthd_path``.
MECHANISMS = "PLAIN LOGIN"


class _Question(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Answer one question."""
        user, password, _service, _realm = (self._word() for _ in range(4))
        answer = b"OK" if user and password == PASSWORD else b"NO"
        self.wfile.write(struct.pack("!H", len(answer)) + answer)

    def _word(self) -> str:
        (octets,) = struct.unpack("!H", self.rfile.read(2))
        return self.rfile.read(octets).decode()


class _Service(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


@contextlib.contextmanager
def login_service(folder: Path) -> Generator[Path]:
    """Run the service in a thread; yields its socket, which anybody may use."""
    path = folder / "mux"
    with _Service(str(path), _Question) as service:
        path.chmod(0o777)
        thread = threading.Thread(target=service.serve_forever, args=(0.1,), name="logins")
        thread.start()
        try:
            yield path
        finally:
            service.shutdown()
            thread.join()
