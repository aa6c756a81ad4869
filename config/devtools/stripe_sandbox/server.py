"""HTTP/1.1 on the loopback address: a thread for each connection, three surfaces on one port.

`/v1/...` is Stripe's API, `/_sandbox/...` the control surface, everything else pages. A request that a foreign web
page might have sent (another host name, another site) reaches neither the control surface nor a button.
"""

import json
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from config.devtools.stripe_sandbox.api import Reply, Request
from config.devtools.stripe_sandbox.control import control
from config.devtools.stripe_sandbox.errors import StripeError, invalid
from config.devtools.stripe_sandbox.pages import Page, post, show
from config.devtools.stripe_sandbox.sandbox import Sandbox

ADDRESS = "127.0.0.1"
LARGEST_BODY = 1024 * 1024
FORBIDDEN = 403
_JSON = {"Content-Type": "application/json"}
_OWN_NAMES = {"127.0.0.1", "localhost", "::1"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "StripeSandbox"
    sys_version = ""
    timeout = 65
    # One write an answer: head and body apart wait 40 ms for each other.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Server"

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the request log is on the control surface."""

    def _answer(self) -> None:
        try:
            status, headers, body, cut = self._serve()
        except StripeError as error:
            status, headers, body, cut = error.status, _JSON, json.dumps(error.body).encode(), False
        except _Dropped:
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - whatever fails, the client gets an answer and the terminal the reason
            traceback.print_exc(file=sys.stderr)
            status, headers, body, cut = 500, _JSON, b'{"error": {"message": "The sandbox has failed."}}', False
        try:
            self._send(status, headers, body, cut=cut)
        except OSError:
            self.close_connection = True  # the client has given up

    def _send(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def _serve(self) -> tuple[int, dict[str, str], bytes, bool]:
        parts = urlsplit(self.path)
        body = self._body()
        sandbox = self.server.sandbox
        if parts.path.startswith(("/v1/", "/v2/")):
            reply = sandbox.api.serve(self._request(parts.path, parts.query, body))
            if reply is None:
                raise _Dropped
            return _of_reply(reply)
        self._refuse_strangers()
        if parts.path.startswith("/_sandbox/"):
            query = dict(parse_qsl(parts.query))
            told = control(sandbox, self.command, parts.path.removeprefix("/_sandbox/"), query, _json(body))
            return 200, _JSON, json.dumps(told, indent=2).encode(), False
        if self.command == "POST":
            return _of_page(post(sandbox, parts.path, body.decode(errors="replace")))
        return _of_page(show(sandbox, parts.path, parts.query))

    def _request(self, path: str, query: str, body: bytes) -> Request:
        text = query if self.command != "POST" else body.decode("utf-8", "replace")
        return Request(self.command, path, text, self.headers)  # type: ignore[arg-type]

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise invalid("The body has no length, or is too large.")
        return self.rfile.read(length)

    def _refuse_strangers(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        foreign = self.command != "GET" and self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if host not in self.server.names or foreign:
            raise StripeError("The sandbox is for this machine only.", status=FORBIDDEN)


class _Dropped(Exception):
    """The connection is to close without an answer."""


class Server(ThreadingHTTPServer):
    """The port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, public_url: str | None) -> None:
        self.sandbox: Sandbox
        super().__init__((ADDRESS, port), Handler)
        self.base_url = (public_url or f"http://{ADDRESS}:{self.server_port}").rstrip("/")
        self.names = _OWN_NAMES | {urlsplit(self.base_url).hostname or ADDRESS}

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is nothing to tell of."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc(file=sys.stderr)


def _json(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    try:
        told = json.loads(body)
    except ValueError as error:
        raise invalid(f"A control call is JSON: {error}") from error
    if not isinstance(told, dict):
        raise invalid("A control call is a JSON object.")
    return told


def _of_reply(reply: Reply) -> tuple[int, dict[str, str], bytes, bool]:
    return reply.status, reply.headers, reply.body.encode(), reply.cut


def _of_page(page: Page) -> tuple[int, dict[str, str], bytes, bool]:
    return page.status, page.headers | {"Cache-Control": "no-store"}, page.body, False
