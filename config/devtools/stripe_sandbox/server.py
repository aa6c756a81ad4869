"""The HTTP/1.1 server, on the loopback address, with one thread per connection.

`/v1/...` is Stripe's API, `/_sandbox/...` is the control surface, and everything else is pages. A request that
another web site may have sent (a foreign host name or site) is refused on the control surface and on pages.
"""

import json
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from config.devtools.stripe_sandbox.api import Reply, Request
from config.devtools.stripe_sandbox.control import control
from config.devtools.stripe_sandbox.pages.routes import Page, post, show
from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid
from config.devtools.stripe_sandbox.sandbox import Sandbox

ADDRESS = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
FORBIDDEN = 403
_JSON = {"Content-Type": "application/json"}
_OWN_NAMES = {"127.0.0.1", "localhost", "::1"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "StripeSandbox"
    sys_version = ""
    timeout = 65
    # Write each answer at once: if head and body are sent apart, the second waits 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "SandboxServer"

    def do_GET(self) -> None:
        """Handle the request."""
        self._answer()

    def do_POST(self) -> None:
        """Handle the request."""
        self._answer()

    def do_DELETE(self) -> None:
        """Handle the request."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing here: the control surface has a request log."""

    def _answer(self) -> None:
        try:
            status, headers, body, cut = self._serve()
        except StripeError as error:
            status, headers, body, cut = error.status, _JSON, json.dumps(error.body).encode(), False
        except _Dropped:
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - the client must get an answer, and the terminal the traceback
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
            return _from_reply(reply)
        self._refuse_other_sites()
        if parts.path.startswith("/_sandbox/"):
            query = dict(parse_qsl(parts.query))
            answer = control(sandbox, self.command, parts.path.removeprefix("/_sandbox/"), query, _json(body))
            return 200, _JSON, json.dumps(answer, indent=2).encode(), False
        if self.command == "POST":
            return _from_page(post(sandbox, parts.path, body.decode(errors="replace")))
        return _from_page(show(sandbox, parts.path, parts.query))

    def _request(self, path: str, query: str, body: bytes) -> Request:
        text = query if self.command != "POST" else body.decode("utf-8", "replace")
        return Request(self.command, path, text, self.headers)  # type: ignore[arg-type]

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise invalid("The body has no length, or is too large.")
        return self.rfile.read(length)

    def _refuse_other_sites(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        origin = self.headers.get("Origin")
        foreign = self.command != "GET" and self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if host not in self.server.names or foreign or (origin is not None and origin not in self.server.origins):
            raise StripeError("The sandbox is for this machine only.", status=FORBIDDEN)


class _Dropped(Exception):
    """Close the connection without an answer."""


class SandboxServer(ThreadingHTTPServer):
    """The HTTP server of a sandbox."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, public_url: str | None) -> None:
        self.sandbox: Sandbox
        super().__init__((ADDRESS, port), Handler)
        self.base_url = (public_url or f"http://{ADDRESS}:{self.server_port}").rstrip("/")
        public = urlsplit(self.base_url)
        self.names = _OWN_NAMES | {public.hostname or ADDRESS}
        self.origins = {f"{public.scheme}://{public.netloc}"} | {
            f"http://{name}:{self.server_port}" for name in ("127.0.0.1", "localhost", "[::1]")
        }

    def handle_error(self, request: object, client_address: object) -> None:
        """Print a traceback, unless the connection broke."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc(file=sys.stderr)


def _json(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    try:
        given = json.loads(body)
    except ValueError as error:
        raise invalid(f"The body of a control call must be JSON: {error}") from error
    if not isinstance(given, dict):
        raise invalid("The body of a control call must be a JSON object.")
    return given


def _from_reply(reply: Reply) -> tuple[int, dict[str, str], bytes, bool]:
    return reply.status, reply.headers, reply.body.encode(), reply.cut


def _from_page(page: Page) -> tuple[int, dict[str, str], bytes, bool]:
    return page.status, page.headers | {"Cache-Control": "no-store"}, page.body, False
