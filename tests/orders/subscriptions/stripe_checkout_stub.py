"""Answer the requests of a renewal to Stripe over HTTP, with sessions that a test can read and change."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from pytest_django import Settings

OK, REFUSED, BROKEN = 200, 402, 500


class StripeCheckoutStub:
    """Customers, one-off Checkout Sessions and refunds. `failing_status` is the status of every answer, if not 0."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.failing_status = 0
        self.refunded_minor = 0
        # Whether Stripe does what it is asked while its answers are lost.
        self.loses_answers = False
        self._answers: dict[str, dict[str, Any]] = {}

    @property
    def open_sessions(self) -> list[dict[str, Any]]:
        return [each for each in self.sessions.values() if each["status"] == "open"]

    def pay(self, session: dict[str, Any], *, processing: bool = False) -> dict[str, Any]:
        """Pay the session, as the customer, and return it."""
        session |= {
            "status": "complete",
            "payment_status": "unpaid" if processing else "paid",
            "payment_intent": f"pi_{session['id']}",
        }
        return session

    def answer(self, method: str, path: str, params: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer to one request."""
        self.requests.append((f"{method} {path}", params))
        if self.failing_status:
            return self.failing_status, {"error": {"type": "api_error", "message": "no"}}
        if key not in self._answers:
            made = self._execute(method, path, params)
            if made is None:
                return 400, {"error": {"type": "invalid_request_error", "message": "not now"}}
            if key:
                self._answers[key] = made
            else:
                return OK, made
        return (BROKEN, {"error": {"type": "api_error"}}) if self.loses_answers else (OK, self._answers[key])

    def _execute(self, method: str, path: str, params: dict[str, str]) -> dict[str, Any] | None:
        steps = path.partition("?")[0].strip("/").split("/")[1:]
        if method == "GET" and steps[-1] in ("refunds", "charges", "sessions"):
            rows = list(self.sessions.values()) if steps[-1] == "sessions" else []
            if steps[-1] == "charges":
                rows = [{"id": "ch_1", "object": "charge", "amount_refunded": self.refunded_minor}]
            return {"object": "list", "data": rows, "has_more": False, "url": path}
        if steps == ["refunds"]:
            self.refunded_minor += int(params["amount"])
        match steps:
            case [("customers" | "coupons" | "refunds") as kind]:
                return {"id": f"{kind}_{len(self.requests)}", "object": kind.removesuffix("s")}
            case ["checkout", "sessions"]:
                return self._open(params)
            case ["checkout", "sessions", found]:
                return self.sessions[found]
            case ["checkout", "sessions", found, "expire"]:
                if self.sessions[found]["status"] != "open":
                    return None
                self.sessions[found] |= {"status": "expired", "url": None}
                return self.sessions[found]
        raise AssertionError(f"unexpected: {method} {path}")

    def _open(self, params: dict[str, str]) -> dict[str, Any]:
        identity = f"cs_{len(self.sessions) + 1}"
        self.sessions[identity] = {
            "id": identity,
            "object": "checkout.session",
            "mode": params["mode"],
            "url": f"https://pay.example/{identity}",
            "status": "open",
            "payment_status": "unpaid",
            "payment_intent": None,
            "amount_total": int(params["line_items[0][price_data][unit_amount]"]),
            "currency": params["line_items[0][price_data][currency]"],
            "client_reference_id": params["client_reference_id"],
            "metadata": {"order_id": params["metadata[order_id]"]},
        }
        return self.sessions[identity]


@contextmanager
def serve(stub: StripeCheckoutStub) -> Iterator[str]:
    """Serve the stub on a port of its own, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            params = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = stub.answer(method, self.path, params, self.headers.get("Idempotency-Key") or "")
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def stripe(settings: Settings) -> Iterator[StripeCheckoutStub]:
    """The stub, which the service uses as Stripe with a key."""
    stub = StripeCheckoutStub()
    with serve(stub) as address:
        settings.STRIPE_API_BASE = address
        settings.INITIAL_STRIPE_SECRET_KEY = "sk_test_only_for_tests"
        yield stub
