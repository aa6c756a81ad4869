"""The worker's metrics, on a port of their own: METRICS_PORT. The worker answers no other requests."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from config.metrics.endpoint import is_allowed
from config.metrics.process import read_pool


def serve_metrics() -> None:
    """Serves what this worker counted, under the same token as the web server, if METRICS_PORT is set.

    Raises: SystemExit with one sentence if another process has the port, such as a second worker of this machine.
    """
    if not (settings.METRICS_PORT and settings.METRICS_TOKEN):
        return
    try:
        server = ThreadingHTTPServer(("", settings.METRICS_PORT), _Handler)
    except OSError as error:
        sys.exit(f"METRICS_PORT {settings.METRICS_PORT} cannot be opened: {error.strerror}")
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, b'{"status": "ok"}', "application/json")
        elif self.path != "/metrics":
            self._answer(404, b"", "text/plain")
        elif not is_allowed(self.headers.get("Authorization", "")):
            self._answer(401, b"", "text/plain")
        else:
            read_pool()
            self._answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        # Also for the pages with which the server refuses a request itself.
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Writes no line for a scrape."""
