"""The web server's worker: a thread handles a request only after all of it has arrived.

gunicorn's threads read a request themselves, so a few dozen clients that send a byte now and then would occupy all
of them. Here the event loop reads each connection until its request is complete, and a thread never reads from a
client. A client that needs longer than `REQUEST_SECONDS` gets a 408, a request longer than `MAX_REQUEST_BYTES` a 413,
and a client that takes its answer too slowly is disconnected. A gateway that buffers both does the same, and is not
required.
"""

import errno
import gc
import os
import re
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn, ThreadWorker

# From the first byte of a request, or from the opening of its connection, to its last byte.
REQUEST_SECONDS = 20
# How long one send to a client that reads slowly may take, and how long its closed connection is read from.
SEND_SECONDS, LINGER_SECONDS = 10, 2
# How long a client may take for an answer, and the bytes a second at which a long answer gets longer.
ANSWER_SECONDS, ANSWER_BYTES_A_SECOND = 20, 64 * 1024
# What the kernel is asked to keep of an answer, so that a client that reads slowly holds no thread for a short one.
SEND_BUFFER_BYTES = 1024 * 1024
# The longest head, and the longest request.
MAX_HEAD_BYTES = 64 * 1024
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# The bytes that the incomplete requests of one process may hold together.
MAX_BUFFERED_BYTES = 256 * 1024 * 1024
_READ_BYTES = 64 * 1024
DRAIN_SECONDS = int(os.environ.get("DRAIN_SECONDS") or 0)

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked")
_EXPECTS_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


class Connection(TConn):
    """A connection, with the bytes of its next request that have arrived."""

    parser: Any

    def __init__(self, *args: Any, linger: Callable[["Connection"], None]) -> None:
        super().__init__(*args)
        self.received = bytearray()
        self.deadline = time.monotonic() + REQUEST_SECONDS
        self._body_start = 0
        # Where the request ends, as far as is known, and where the next chunk of its body begins.
        self._end = 0
        self._next_chunk: int | None = None
        self._linger = linger
        self.data_ready = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SEND_SECONDS, 0))

    def read(self) -> bool:
        """Reads what has arrived, without waiting. Returns False if the client has closed the connection.

        Raises: OSError.
        """
        try:
            while len(self.received) <= MAX_REQUEST_BYTES:
                data = self.sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
                if not data:
                    return False
                self.received += data
                if len(data) < _READ_BYTES:
                    break
        except BlockingIOError:
            pass
        return True

    def is_complete(self) -> bool:
        """Tells whether a thread can handle the request without waiting for more of it."""
        if not self._body_start and not self._find_body():
            return len(self.received) > MAX_HEAD_BYTES
        if self._next_chunk is not None:
            return self._has_last_chunk(self._next_chunk) or self.is_too_large()
        return len(self.received) >= self._end or self.is_too_large()

    def is_too_large(self) -> bool:
        return self._end > MAX_REQUEST_BYTES

    def take_received(self) -> bytes:
        """Returns the bytes that have arrived, and begins the next request."""
        received, self.received = bytes(self.received), bytearray()
        self._body_start, self._end, self._next_chunk = 0, 0, None
        return received

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self._linger(self)
        else:
            super().close()

    def _find_body(self) -> bool:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.received[: end + 2]).lower()
        self._body_start = self._end = end + 4
        length = _CONTENT_LENGTH.search(head)
        if _CHUNKED.search(head):
            self._next_chunk = self._body_start
        elif length:
            # The parser refuses a length of more digits.
            self._end += int(length[1][:19])
        has_body = self._next_chunk is not None or self._body_start < self._end <= MAX_REQUEST_BYTES
        if has_body and _EXPECTS_CONTINUE.search(head) and len(self.received) == self._body_start:
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n", socket.MSG_DONTWAIT)
        return True

    def _has_last_chunk(self, place: int) -> bool:
        """Tells whether the last chunk has arrived, or what is no chunk, which the parser refuses."""
        while (line_end := self.received.find(b"\r\n", place, place + MAX_HEAD_BYTES)) >= 0:
            size = _CHUNK_SIZE.match(self.received, place)
            if size is None:
                return True
            if int(size[0], 16) == 0:
                # Trailers may follow, up to an empty line.
                return (
                    self.received.find(b"\r\n\r\n", line_end) >= 0 or len(self.received) > line_end + MAX_HEAD_BYTES
                )
            self._next_chunk = self._end = place = line_end + 2 + int(size[0], 16) + 2
        return len(self.received) >= place + MAX_HEAD_BYTES


class Arrived(Unreader):
    """The bytes of a request that have arrived. A thread that reads beyond them finds the end, and never waits."""

    def __init__(self) -> None:
        super().__init__()
        self.was_exceeded = False

    def chunk(self, size_hint: int | None = None) -> bytes:
        self.was_exceeded = True
        return b""


class WebWorker(ThreadWorker):
    """gunicorn's threaded worker, with the reading of requests in the event loop."""

    poller: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.drained_at: float | None = None
        self.lingering: deque[tuple[float, socket.socket]] = deque()

    def load_wsgi(self) -> None:
        """Loads the application without garbage collection, and keeps what it loaded out of later collections.

        Modules and classes stay as long as the process. Each full collection would search all of them, while every
        thread waits.
        """
        gc.disable()
        super().load_wsgi()
        gc.freeze()
        gc.enable()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stops, after it has served on for DRAIN_SECONDS. /readyz says so meanwhile."""
        if not DRAIN_SECONDS or self.drained_at is not None:
            super().handle_exit(sig, frame)
            return
        self.drained_at = time.monotonic() + DRAIN_SECONDS
        # It reads the settings, which a process that has not started yet may find at fault.
        from config.web.health import start_draining  # noqa: PLC0415

        start_draining()

    def murder_keepalived(self, force: bool = False) -> None:
        super().murder_keepalived(force)
        if self.alive and self.drained_at is not None and self.drained_at <= time.monotonic():
            self.alive = False

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname(), linger=self._linger))

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        conn.deadline = time.monotonic() + REQUEST_SECONDS
        super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: Connection) -> None:
        """Hands the connection to a thread if its request is complete, else waits for more of it."""
        try:
            if conn.parser is not None and not conn.received:
                conn.received += conn.parser.unreader.take_buffered()
            is_open = conn.is_complete() or conn.read()
        except OSError:
            is_open = False
        if is_open and conn.is_complete():
            super().enqueue_req(conn)
        elif is_open and self._has_room():
            conn.timeout = conn.deadline
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
        else:
            self.nr_conns -= 1
            conn.close()

    def handle(self, conn: Connection) -> Any:
        conn.sock.setblocking(True)
        conn.init()
        if conn.is_too_large():
            conn.sock.sendall(_raw_response(413))
            return False
        if not isinstance(conn.parser.unreader, Arrived):
            conn.parser.unreader = Arrived()
        conn.parser.unreader.unread(conn.take_received())
        is_kept = super().handle(conn)
        # Where the next request would begin is unknown if the parser wanted more than the event loop.
        return is_kept and not conn.parser.unreader.was_exceeded

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Sends the head of an answer together with the beginning of its body: one system call less."""
        client = conn.sock
        conn.sock = answer = _Answer(client)
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock = client
            answer.flush()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answers a request that is no valid HTTP, in the API's error shape."""
        page = _Page()
        super().handle_error(req, page, addr, exc)
        client.sendall(_raw_response(page.status))

    def murder_pending(self) -> None:
        """Disconnects the clients whose request, or whose end, is overdue."""
        now = time.monotonic()
        # A worker that stops does not wait for requests that have not begun.
        for conn in [c for c in self.pending_conns if c.timeout <= now or not (self.alive or c.received)]:
            self.pending_conns.remove(conn)
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            if conn.received:
                with suppress(OSError):
                    conn.sock.send(_raw_response(408), socket.MSG_DONTWAIT)
            conn.close()
        while self.lingering and self.lingering[0][0] <= now:
            self._end_lingering(self.lingering[0][1])

    def _has_room(self) -> bool:
        return sum(len(conn.received) for conn in self.pending_conns) < MAX_BUFFERED_BYTES

    def _linger(self, conn: Connection) -> None:
        """Ends the answer, and reads the rest of the request for a moment, so that the client can read the answer.

        A socket that is closed with unread bytes resets the connection.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, self._discard)
        except (OSError, KeyError, ValueError):
            util.close(conn.sock)
            return
        self.lingering.append((time.monotonic() + LINGER_SECONDS, conn.sock))

    def _discard(self, client: Any) -> None:
        try:
            if client.recv(_READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end_lingering(client)

    def _end_lingering(self, client: socket.socket) -> None:
        self.lingering = deque(entry for entry in self.lingering if entry[1] is not client)
        self.poller.unregister(client)
        util.close(client)


class _Answer:
    """A client's socket that holds the head of an answer back until its body begins.

    It disconnects a client that takes the answer too slowly, and so would hold a thread.
    """

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._held: bytes | None = None
        self._waited = 0.0
        self._sent = 0

    def __getattr__(self, name: str) -> Any:
        self.flush()
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        if self._held is None:
            self._held = data
        else:
            held, self._held = self._held, b""
            self._send(held + data if held else data)

    def flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._send(held)

    def _send(self, data: bytes) -> None:
        """Raises: OSError, also where the client has taken too long. Only waiting for the client counts."""
        rest = memoryview(data)
        while rest:
            began = time.monotonic()
            sent = self._client.send(rest)
            self._waited += time.monotonic() - began
            self._sent += sent
            if self._waited > ANSWER_SECONDS + self._sent / ANSWER_BYTES_A_SECOND:
                raise BrokenPipeError(errno.EPIPE, "the client reads too slowly")
            rest = rest[sent:]


class _Page:
    """Takes the place of the socket to which gunicorn writes its own error page."""

    status = 500

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, page: bytes) -> None:
        self.status = int(page.split(b" ", 2)[1])


def _raw_response(status: int) -> bytes:
    # gunicorn loads this module before the settings are read, and they may be at fault.
    from config.web.middleware import answer_unread  # noqa: PLC0415

    response = answer_unread(status)
    head = f"HTTP/1.1 {status} {response.reason_phrase}\r\nConnection: close\r\n"
    return head.encode() + response.serialize_headers() + b"\r\n\r\n" + response.content
