"""The security headers of all answers, also of those that are given before a page or an endpoint is reached."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from config.metrics.worker_server import serve_metrics
from config.web import web_worker
from tests.bench.web import ADDRESS, Web, serving

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-at-least-thirty-two-characters"
HSTS = "max-age=31536000"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
JSON = "application/json"


@pytest.fixture(scope="module")
def web(committing_processes: None) -> Iterator[Web]:
    more = {"METRICS_TOKEN": TOKEN, "TRUSTED_PROXIES": "127.0.0.0/8", "SECURE_SSL_REDIRECT": "1"}
    with serving(workers=1, threads=4, more=more) as server:
        yield server


def send(web: Web, data: bytes) -> tuple[int, dict[str, str]]:
    """Returns the status and the headers of the answer to these bytes."""
    with closing(socket.create_connection((ADDRESS, web.port), timeout=2 * web_worker.REQUEST_SECONDS)) as client:
        client.sendall(data)
        answer = http.client.HTTPResponse(client)
        with closing(answer):
            answer.begin()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def ask(web: Web, method: str, path: str, proto: str = "https", more: str = "") -> tuple[int, dict[str, str]]:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: {proto}\r\n{more}\r\n"
    return send(web, head.encode())


def assert_secure(headers: dict[str, str]) -> None:
    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    if not headers.get("content-type", "").startswith(JSON):
        assert "default-src 'self'" in headers.get("content-security-policy", "")
        assert "camera=()" in headers.get("permissions-policy", "")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"no request\r\n\r\n", 400),
        (b"GET /\xff\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (GET + b"Content-Length: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (GET, 408),
        (GET + b"Content-Length: 90000000\r\n\r\n", 413),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (GET + b"X-Long: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ],
    ids=["words", "bytes", "length", "version", "slow", "large", "address", "header"],
)
def test_what_the_web_server_refuses_itself(web: Web, sent: bytes, status: int) -> None:
    found, headers = send(web, sent)
    assert found == status
    assert_secure(headers)
    # The web server does not read which scheme the client used. A browser ignores the header without https.
    assert headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize(
    ("method", "path", "status", "more"),
    [
        ("GET", "/healthz", 200, ""),
        ("POST", "/healthz", 405, ""),
        ("GET", "/readyz", 200, ""),
        ("GET", "/metrics", 401, ""),
        ("POST", "/metrics", 405, ""),
        ("GET", "/metrics", 200, f"Authorization: Bearer {TOKEN}\r\n"),
        ("GET", "/static/billing/nothing.css", 404, ""),
        ("GET", "/static/unfold/css/styles.css", 200, ""),
        ("GET", "/%00", 400, ""),
        ("GET", "/api/%00", 404, ""),
        ("GET", "/?a=%00", 400, ""),
        ("GET", "/api/nowhere", 404, ""),
        ("GET", "/nowhere", 404, ""),
        ("GET", "/admin", 301, ""),
        ("GET", "/admin/", 302, ""),
        ("GET", "/admin/login/", 200, ""),
        ("POST", "/admin/login/", 403, ""),
        ("PUT", "/", 403, ""),
        ("GET", "/api/billing/balance", 401, ""),
        ("OPTIONS", "/api/billing/balance", 401, ""),
        ("GET", "/api/docs", 200, ""),
    ],
)
def test_what_is_answered_over_https(web: Web, method: str, path: str, status: int, more: str) -> None:
    found, headers = ask(web, method, path, more=more)
    assert found == status
    assert_secure(headers)
    assert headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/api/catalog/plans", 301), ("/", 301), ("/static/nothing.css", 301)]
)
def test_an_answer_over_http_makes_no_promise_of_https(web: Web, path: str, status: int) -> None:
    found, headers = ask(web, "GET", path, proto="http")
    assert found == status
    assert_secure(headers)
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", ["/", "/api/catalog/plans", "/healthz"])
def test_an_unknown_host(web: Web, path: str) -> None:
    found, headers = send(
        web, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Proto: https\r\n\r\n".encode()
    )
    assert found == (200 if path == "/healthz" else 400)
    assert_secure(headers)
    assert headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/metrics", 401), ("GET", "/", 404), ("PUT", "/", 501)]
)
def test_what_the_worker_refuses_on_its_port(settings: Any, method: str, path: str, status: int) -> None:
    with socket.create_server(("", 0)) as probe:
        port = probe.getsockname()[1]
    settings.METRICS_PORT, settings.METRICS_TOKEN = port, TOKEN
    serve_metrics()
    with closing(http.client.HTTPConnection(ADDRESS, port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (status, "nosniff")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
