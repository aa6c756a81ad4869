"""Slow, idle and malformed clients, against the production web server with few threads."""

import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from threading import Thread

import pytest

from billing.api.parsers import MAX_BODY_BYTES
from config.web import web_worker
from tests.bench.web import ADDRESS, Web, serving

pytestmark = pytest.mark.django_db

THREADS = 4
CLIENTS = 80
PREVIEW = "/api/billing/vouchers/redeem-preview"
# A form that a page would read: the CSRF check lets it pass up to its body.
UPLOAD = (
    b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
    b"Cookie: csrftoken=" + b"a" * 32 + b"\r\nContent-Type: multipart/form-data; boundary=b\r\n"
)
PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
HEAD = b"POST /api/billing/vouchers/redeem-preview HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def web(committing_processes: None) -> Iterator[Web]:
    with serving(workers=1, threads=THREADS, more={"PREVIEW_RATE_LIMIT": "100000/min"}) as server:
        yield server


def connect(web: Web) -> socket.socket:
    return socket.create_connection((ADDRESS, web.port), timeout=2 * web_worker.REQUEST_SECONDS)


def receive_all(client: socket.socket) -> bytes:
    answer = b""
    while data := client.recv(65536):
        answer += data
    return answer


def read_error(client: socket.socket) -> tuple[int, str, dict[str, str]]:
    """Returns the status, the content type and the body of the only answer on the connection."""
    head, _, body = receive_all(client).partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return int(head.split()[1]), headers["content-type"], json.loads(body)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTT",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 200000\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFF\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n{}",
        UPLOAD + b"Content-Length: 90000000\r\n\r\n" + PART,
        UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PART) + PART,
        HEAD + b"Expect: 100-continue\r\nContent-Length: 20\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /",
    ],
    ids=[
        *("nothing", "request line", "header", "body", "chunks", "an end within a chunk", "an endless chunk"),
        *("a long upload", "an upload in chunks", "expects continue", "second request"),
    ],
)
def test_clients_that_wait_occupy_no_thread(web: Web, sent: bytes) -> None:
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            client = clients.enter_context(closing(connect(web)))
            client.sendall(sent)
        began = time.monotonic()
        for _ in range(20):
            connection = http.client.HTTPConnection(ADDRESS, web.port, timeout=10)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
        assert time.monotonic() - began < web_worker.REQUEST_SECONDS / 2


def test_a_client_that_keeps_a_closed_connection_open_holds_up_nobody(web: Web) -> None:
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            client = clients.enter_context(closing(connect(web)))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        began = time.monotonic()
        connection = http.client.HTTPConnection(ADDRESS, web.port, timeout=60)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        assert time.monotonic() - began < web_worker.REQUEST_SECONDS / 2


def test_an_overdue_request_is_told_so(web: Web) -> None:
    with closing(connect(web)) as idle, closing(connect(web)) as slow:
        slow.sendall(HEAD)
        status, content_type, error = read_error(slow)
        assert (status, content_type) == (408, "application/json")
        assert error == {"error": "the request did not arrive in time", "code": "request_timeout"}
        assert receive_all(idle) == b""


def test_a_request_that_arrives_byte_by_byte_is_answered(web: Web) -> None:
    body = b'{"code": "NOSUCH"}'
    with closing(connect(web)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
            client.sendall(bytes([byte]))
        assert read_error(client)[::2] == (
            404,
            {"error": "there is no voucher with this code", "code": "promo_not_found"},
        )


def test_chunks_arrive_whole(web: Web) -> None:
    with closing(connect(web)) as client:
        client.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in (b'6\r\n{"code\r\n', b'c\r\n": "NOSUCH"}\r\n', b"0\r\n", b"\r\n"):
            client.sendall(chunk)
        assert read_error(client)[0] == 404


def test_requests_on_one_connection_are_answered_in_turn(web: Web) -> None:
    request = HEAD + b'Content-Length: 18\r\n\r\n{"code": "NOSUCH"}'
    last = request.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    with closing(connect(web)) as client:
        client.sendall(request * 3 + last)
        assert receive_all(client).count(b"HTTP/1.1 404 Not Found") == 4


def test_a_request_behind_one_in_chunks_is_answered(web: Web) -> None:
    chunks = b'Transfer-Encoding: chunked\r\n\r\n12\r\n{"code": "NOSUCH"}\r\n0\r\nX-Trailer: a\r\n\r\n'
    with closing(connect(web)) as client:
        client.sendall((HEAD + chunks) * 2 + HEAD + b"Connection: close\r\n" + chunks)
        assert receive_all(client).count(b"HTTP/1.1 404 Not Found") == 3


def test_what_follows_a_refused_body_is_no_request(web: Web) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for framing in (
        b"Content-Length: 90000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n0\r\n\r\n",
    ):
        with closing(connect(web)) as client:
            client.sendall(HEAD + framing + hidden)
            assert receive_all(client).count(b"HTTP/1.1 ") == 1


def test_a_client_that_reads_an_answer_too_slowly_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_worker, "ANSWER_SECONDS", 0.2)
    server, client = socket.socketpair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 50_000))
    with closing(server), closing(client):
        reading = Thread(target=lambda: [client.recv(1) for _ in range(100_000)], daemon=True)
        answer = web_worker._Answer(server)
        answer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        reading.start()
        with pytest.raises((BlockingIOError, BrokenPipeError)):
            answer.sendall(b"a" * 10_000_000)
        client.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("megabytes", [1, 5])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (PREVIEW, 413, "payload_too_large"),
        ("/api/billing/checkout", 401, "not_authenticated"),
        ("/api/nothing", 404, "not_found"),
    ],
)
def test_a_body_that_is_too_large_is_read_and_refused(
    web: Web, path: str, status: int, code: str, megabytes: int
) -> None:
    for close in ("close", "keep-alive"):
        connection = http.client.HTTPConnection(ADDRESS, web.port, timeout=20)
        body = b"a" * (megabytes * 1024 * 1024)
        connection.request("POST", path, body, {"Content-Type": "application/json", "Connection": close})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (status, code)
        connection.close()


def test_a_body_beyond_all_limits_is_answered_at_once(web: Web) -> None:
    with closing(connect(web)) as client:
        client.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        client.sendall(b"a" * (MAX_BODY_BYTES + 1))
        status, _, error = read_error(client)
        assert (status, error["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        (b"GET /api/" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
        (b"GET /api/ HTTP/1.1\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /api/ HTTP/1.1\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /api/ HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"rubbish\r\n\r\n", 400, "bad_request"),
        (b"GET /api/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
    ],
)
def test_what_is_no_http_is_refused_in_the_shape_of_an_error(
    web: Web, request_line: bytes, status: int, code: str
) -> None:
    with closing(connect(web)) as client:
        client.sendall(request_line)
        answered, content_type, error = read_error(client)
    assert (answered, content_type, error["code"]) == (status, "application/json", code)
