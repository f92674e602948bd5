"""A web server on loopback that is many hosts: for each a certificate of its own, all of them in ``trust``.

``place`` tells where a connection to port 443 of any host goes: here.
"""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from tests.servers.tls import certificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Page = tuple[int, dict[str, str], bytes] | Callable[[http.server.BaseHTTPRequestHandler], None]


class Https:
    """The running server; a context manager.

    Attributes:
        pages: by host and path: status, header fields and body, or what answers by itself; others are 404.
        asked: each request: host, path with its query, and the header fields.
        trust: a client's context that trusts these certificates and no others.
    """

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.pages: dict[tuple[str, str], Page] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        contexts: dict[str, ssl.SSLContext] = {}
        for host in hosts:
            cert, contexts[host] = certificate(folder, host)
            self.trust.load_verify_locations(cert)
        first = contexts[hosts[0]]

        def choose(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name in contexts:
                sock.context = contexts[name]

        first.sni_callback = choose
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer as the pages say."""
                outer._get(self)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request: object, client_address: object) -> None:
                """Begin TLS in the request's own thread, and bear a client that goes away."""
                with contextlib.suppress(OSError), first.wrap_socket(request, server_side=True) as sock:  # type: ignore[call-overload]
                    Handler(sock, client_address, self)  # type: ignore[arg-type]

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="https")
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def place(self, _: str, port: int) -> tuple[str, int]:
        """Return where a connection to that port goes; to a port that nobody listens on for all but HTTPS."""
        return ("127.0.0.1", self.port if port == 443 else 9)

    def _get(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        host = handler.headers.get("Host", "")
        self.asked.append((host, handler.path, dict(handler.headers)))
        page = self.pages.get((host, handler.path), (404, {}, b""))
        if callable(page):
            page(handler)
            return
        status, fields, body = page
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | fields).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
