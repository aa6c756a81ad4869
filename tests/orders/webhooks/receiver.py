"""A subscriber's endpoint on this machine, which keeps the requests that it gets."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

# The status to answer with, given the number of the request.
Answers = Callable[[int], int]


@dataclass
class Receiver:
    """The requests that came: headers and body.

    `answers` decides each answer; `released` lets a silent one answer; request number `expected` sets `arrived`.
    """

    url: str
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: Answers = lambda number: HTTPStatus.NO_CONTENT
    released: threading.Event = field(default_factory=threading.Event)
    expected: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)

    def verified(self, secret: str) -> list[object]:
        """The bodies, each verified as a subscriber verifies it."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.requests]

    def take_verified(self, secret: str) -> list[object]:
        """Returns the verified bodies, and forgets the requests."""
        taken = [self.requests.pop(0) for _ in range(len(self.requests))]
        return [Webhook(secret).verify(body, headers) for headers, body in taken]


@contextmanager
def receiver(*, silent: bool = False) -> Iterator[Receiver]:
    """Run an endpoint for the length of the block. A silent one answers after its release."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            number = len(found.requests)
            if number == found.expected:
                found.arrived.set()
            if silent:
                found.released.wait()
            self.send_response(found.answers(number))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(url=f"http://127.0.0.1:{server.server_address[1]}/hooks?from=qasima")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
