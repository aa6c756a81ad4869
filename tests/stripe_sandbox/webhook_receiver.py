"""Receive webhooks: an endpoint that records each delivery and answers with chosen statuses."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import stripe

from tests.stripe_sandbox.sandbox_process import WEBHOOK_SECRET

SECONDS = 20


@dataclass(frozen=True)
class Delivery:
    """One POST that the endpoint received."""

    payload: bytes
    signature: str | None
    at: float = field(default_factory=time.time)

    def verify(self, secret: str = WEBHOOK_SECRET) -> Any:
        """The event, where the official library accepts the signature."""
        return stripe.Webhook.construct_event(self.payload, self.signature or "", secret)


class Receiver:
    """An HTTP server in a thread; `statuses` are its next answers, 200 when there is none."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.statuses: list[int] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(Delivery(payload, self.headers.get("Stripe-Signature")))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The address of the endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, delivery: Delivery) -> int:
        with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
            return self.statuses.pop(0) if self.statuses else 200

    def wait_for(self, count: int) -> list[Delivery]:
        """Wait for this many deliveries and return all of them."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.deliveries) >= count, SECONDS)
            assert enough, f"{len(self.deliveries)} of {count} deliveries arrived"
            return list(self.deliveries)

    def clear(self) -> None:
        """Forget all deliveries and statuses."""
        with self._changed:
            self.deliveries.clear()
            self.statuses.clear()
