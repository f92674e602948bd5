"""A DNS server on loopback, over UDP and TCP: answers from a table of records, and misbehaves by name.

Its records are written as in a zone file, by their owner's name::

    with Dns({"_imaps._tcp.example.test": ["SRV 0 1 993 localhost."], "localhost": ["A 127.0.0.1"]}) as server:
        net = Net(server.resolver())

A name that is neither there nor above one that is does not exist. A fault holds for a name and all below it, "" for
every name: "servfail", "refused", "silence", "truncated" (the whole answer comes by TCP only), "malformed" (octets that
are no message), "other" (an answer to another question). A process of its own gets ``host`` and ``port`` told, builds
such a resolver, and sets ``dns.resolver.default_resolver`` to it.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Literal, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from tests.servers.loopback import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fault = Literal["servfail", "refused", "silence", "truncated", "malformed", "other"]

_STEP_SECONDS = 0.05  # how soon the thread sees that it is to end


def resolver_at(host: str, port: int) -> dns.resolver.Resolver:
    """Return a resolver that asks that server alone."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [host]
    resolver.port = port
    return resolver


class Dns:
    """The running server; a context manager.

    Attributes:
        records: by name; may be changed at any time.
        faults: by name; may be changed at any time.
        asked: each question, as (name, type).
        host: where it listens.
        port: the same port for UDP and TCP.
    """

    host = "127.0.0.1"

    def __init__(
        self, records: Mapping[str, Sequence[str]] | None = None, *, faults: Mapping[str, Fault] | None = None
    ) -> None:
        self.records = dict(records or {})
        self.faults = dict(faults or {})
        self.asked: list[tuple[str, str]] = []
        self._over = threading.Event()
        (self.port,) = free_ports(1)
        self._thread = threading.Thread(target=self._serve, name="dns")

    def __enter__(self) -> Self:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.create_server((self.host, self.port))
        self._udp.bind((self.host, self.port))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._udp.close()
        self._tcp.close()

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone."""
        return resolver_at(self.host, self.port)

    # ------------------------------------------------------------------------------------ answers

    def _serve(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._udp, selectors.EVENT_READ)
            ready.register(self._tcp, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in ready.select(_STEP_SECONDS):
                    with contextlib.suppress(OSError):
                        self._by_udp() if key.fileobj is self._udp else self._by_tcp()

    def _by_udp(self) -> None:
        wire, sender = self._udp.recvfrom(4096)
        if (answer := self._answer(wire, tcp=False)) is not None:
            self._udp.sendto(answer, sender)

    def _by_tcp(self) -> None:
        connection, _ = self._tcp.accept()
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(2)
            (length,) = struct.unpack("!H", stream.read(2))
            if (answer := self._answer(stream.read(length), tcp=True)) is not None:
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype)))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        match self._fault(name):
            case "silence":
                return None
            case "malformed":
                return wire[:2] + b"\x81\x80\xff\xff\xff\xff no message"
            case "servfail":
                response.set_rcode(dns.rcode.SERVFAIL)
            case "refused":
                response.set_rcode(dns.rcode.REFUSED)
            case "truncated" if not tcp:
                response.flags |= dns.flags.TC
            case "other":
                other = dns.message.make_query("elsewhere.test.", question.rdtype, id=query.id)
                return dns.message.make_response(other).to_wire()
            case _:
                self._fill(response, question, name)
        return response.to_wire()

    def _fault(self, name: str) -> Fault | None:
        found = [fault for where, fault in self.faults.items() if not where or f".{name}".endswith(f".{where}")]
        return found[0] if found else None

    def _fill(self, response: dns.message.Message, question: Any, name: str) -> None:
        if not any(f".{each}".endswith(f".{name}") for each in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        kind = dns.rdatatype.to_text(question.rdtype)
        lines = [line.partition(" ")[2] for line in self.records.get(name, ()) if line.partition(" ")[0] == kind]
        if lines:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, lines))
