"""A DNS name server for tests: it answers over UDP from records that the test sets."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from django.test import override_settings

SILENCE = "silence"
_MAX_QUESTION = 4096


@dataclass
class NameServer:
    """`records` maps names to their records by type; `failures` maps names to a response code, or to `SILENCE`."""

    port: int = 0
    records: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    questions: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, kind: str, *values: str) -> None:
        self.records.setdefault(name, {})[kind] = list(values)

    def remove(self, name: str) -> None:
        self.records.pop(name, None)

    def respond(self, wire: bytes) -> bytes | None:
        """Return the response to a question, or None to keep silent."""
        query = dns.message.from_wire(wire)
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        failure = self.failures.get(name)
        if failure == SILENCE:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if failure:
            response.set_rcode(dns.rcode.from_text(failure))
        elif not self._is_known(name):
            response.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._answer(response, name, kind)
        return response.to_wire()

    def _is_known(self, name: str) -> bool:
        return any(each == name or each.endswith(f".{name}") for each in self.records)

    def _answer(self, response: dns.message.Message, name: str, kind: str) -> None:
        """Add the records, and those that an alias leads to, as a recursive name server does."""
        found = self.records.get(name, {})
        given = kind if kind in found else "CNAME"
        if given not in found:
            return
        values = [f"{value}." if given in ("CNAME", "NS") else value for value in found[given]]
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", given, *values))
        if given != kind:
            self._answer(response, found[given][0], kind)


@contextmanager
def running_name_server() -> Iterator[NameServer]:
    """Run a name server on a free port of this machine, the only one that the service asks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = NameServer(port=listener.getsockname()[1])
        thread = Thread(target=_serve, args=(listener, server))
        thread.start()
        try:
            with override_settings(DNS_RESOLVERS=[("127.0.0.1", server.port)], DNS_TIMEOUT_SECONDS=1):
                yield server
        finally:
            listener.sendto(b"", ("127.0.0.1", server.port))
            thread.join()


def _serve(listener: socket.socket, server: NameServer) -> None:
    while True:
        wire, client = listener.recvfrom(_MAX_QUESTION)
        if not wire:
            return
        response = server.respond(wire)
        if response is not None:
            listener.sendto(response, client)
