"""HTTP clients that send the next request as soon as an answer arrives: one process, one thread, plain sockets.

Each client keeps one connection open, and has one request in flight. The requests are built before the clock starts,
so the clients use little CPU time, and the same amount for everything that is measured.
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
# The most connections that are opened for each connection that is needed.
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answers of a run: the number of each status, and the sorted latencies in seconds."""

    seconds: float
    statuses: dict[int, int]
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, share: float) -> float:
        """Returns the time within which this share of the requests was answered."""
        return 1000 * self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


def request(path: str, body: object = None, *, token: str = "", key: str = "") -> bytes:
    """Returns the bytes of an HTTP request: POST with a body, GET without."""
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
        """Returns a header of the received answer, by its lower-case name."""
        return bytes(self.received).lower().partition(name + b": ")[2].partition(b"\r\n")[0]

    def take(self) -> int | None:
        """Reads from the socket. Returns the status once the whole answer has arrived, else None."""
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
    """Opens connections, the same number to each of the server's processes.

    Otherwise one process may accept nearly all of them, and the others would be idle: that is not what is measured.
    Raises: RuntimeError if the processes do not accept them evenly.
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
    """Sends requests until the time is over or none is left, then waits for those in flight.

    Raises: RuntimeError if an answer does not arrive.
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
