"""HTTP clients that ask as fast as they are answered: one process, one thread, no library between it and the socket.

Each client has one connection, kept open, and one request under way. Requests are made ready before the clock starts,
so that what the load costs the machine is little and the same for everything that is measured.
"""

import json
import math
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.bench.web import ADDRESS

_END_OF_HEAD = b"\r\n\r\n"
_PATIENCE_SECONDS = 30
# Connections opened for one that is needed, at most.
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a run was answered: how often with which status, and how long each took, in seconds, sorted."""

    seconds: float
    statuses: dict[int, int]
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, share: float) -> float:
        """The time within which this share of the requests was answered."""
        return 1000 * self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


def request(path: str, body: object = None, *, token: str = "", key: str = "") -> bytes:
    """A request as it goes over the wire: POST with a body, GET without."""
    head = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {ADDRESS}"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if key:
        head.append(f"Idempotency-Key: {key}")
    content = b"" if body is None else json.dumps(body).encode()
    if content:
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(head).encode() + _END_OF_HEAD + content


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    asked_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def ask(self, payload: bytes) -> None:
        self.received.clear()
        self.asked_at = time.perf_counter()
        self.socket.sendall(payload)

    def header(self, name: bytes) -> bytes:
        """Of the answer that is here, by its name in small letters."""
        return bytes(self.received).lower().partition(name + b": ")[2].partition(b"\r\n")[0]

    def take(self) -> int | None:
        """The status, once the whole answer is here."""
        got = self.socket.recv(65_536)
        if not got:
            raise ConnectionError("the server closed the connection")
        self.received += got
        end = self.received.find(_END_OF_HEAD)
        if end < 0:
            return None
        head = bytes(self.received[:end]).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(self.received) < end + len(_END_OF_HEAD) + int(length or 0):
            return None
        return int(head.split(b" ", 2)[1])


def _connect(port: int, *, clients: int, processes: int) -> list[_Client]:
    """Connections that are kept open, as many of each of the server's processes.

    Of many that come at once one process may take nearly all, and the others would have nothing to do; which it
    happens to be is no part of what is measured. Raises: RuntimeError where they cannot be had evenly.
    """
    share = math.ceil(clients / processes)
    taken: dict[bytes, list[_Client]] = {}
    for _ in range(_ATTEMPTS * clients):
        client = _Client(socket.create_connection((ADDRESS, port)))
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.ask(request("/api/bench/empty"))
        while client.take() is None:
            pass
        mine = taken.setdefault(client.header(b"x-process"), [])
        if len(mine) == share:
            client.socket.close()
            continue
        mine.append(client)
        connected = [each for some in taken.values() for each in some]
        if len(connected) == clients:
            return connected
    raise RuntimeError(f"{ {name: len(some) for name, some in taken.items()} } connections, of {clients} evenly")


def fire(port: int, payloads: Iterator[bytes], *, clients: int, seconds: float, processes: int = 1) -> Answered:
    """Asks until the time is over or there is nothing left to ask; then waits for what is under way.

    Raises: RuntimeError where an answer does not come.
    """
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        connected = _connect(port, clients=clients, processes=processes)
        for client in connected:
            selector.register(client.socket, selectors.EVENT_READ, client)
        began = time.perf_counter()
        under_way = 0
        for client in connected:
            if (payload := next(payloads, None)) is not None:
                client.ask(payload)
                under_way += 1
        while under_way:
            ready = selector.select(_PATIENCE_SECONDS)
            if not ready:
                raise RuntimeError(f"{under_way} requests are not answered")
            for event, _ in ready:
                asking: _Client = event.data
                status = asking.take()
                if status is None:
                    continue
                now = time.perf_counter()
                statuses[status] = statuses.get(status, 0) + 1
                latencies.append(now - asking.asked_at)
                following = next(payloads, None) if now - began < seconds else None
                if following is None:
                    under_way -= 1
                else:
                    asking.ask(following)
        ended = time.perf_counter()
        for client in connected:
            client.socket.close()
    return Answered(seconds=ended - began, statuses=statuses, latencies=sorted(latencies))
