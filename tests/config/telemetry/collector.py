"""A local HTTP server in the place of an OpenTelemetry collector and of Sentry, which keeps what it receives."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """Keeps what arrived: spans, reports, and all bytes."""

    port: int = 0
    spans: list[Any] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def settings(self) -> dict[str, str]:
        """Returns the environment of a process that sends here."""
        return {
            "TRACES_URL": f"http://127.0.0.1:{self.port}/v1/traces",
            "SENTRY_DSN": f"http://public@127.0.0.1:{self.port}/1",
        }

    def add(self, path: str, body: bytes) -> None:
        with self._arrived:
            self.received.append(body)
            if path == "/v1/traces":
                message = ExportTraceServiceRequest.FromString(body)
                self.spans += [
                    span for part in message.resource_spans for scope in part.scope_spans for span in scope.spans
                ]
            elif path == "/api/1/envelope/":
                # A head, and for each item a head and its content.
                self.reports += [
                    json.loads(line) for line in body.splitlines() if b'"exception"' in line or b'"logentry"' in line
                ]
            self._arrived.notify_all()

    def wait_for(self, span_name: str) -> Any:
        """Returns the first span of the name, once it has arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.named(span_name), timeout=30), sorted(self.names())
        return self.named(span_name)[0]

    def wait_for_report(self, text: str) -> dict[str, Any]:
        """Returns the first report that contains the text, once it has arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(text in str(each) for each in self.reports), timeout=30)
        return next(each for each in self.reports if text in str(each))

    def named(self, name: str) -> list[Any]:
        return [each for each in self.spans if each.name == name]

    def names(self) -> set[str]:
        return {each.name for each in self.spans}

    def children(self, span: Any) -> list[Any]:
        return [each for each in self.spans if each.parent_span_id == span.span_id]


def attributes(span: Any) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listens on a free port while the block runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.add(self.path, body)
            self._answer(200)

        def do_GET(self) -> None:
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
