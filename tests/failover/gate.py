"""A way over which one program reaches another, which a test can cut as a network does: without a word to either."""

import socket
import threading
from contextlib import suppress

from tests.operations.own_server import free_port

ADDRESS = "127.0.0.1"
CHUNK = 65_536


class Gate:
    """Forwards connections from its own port to another one, until it is cut."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self._open = threading.Event()
        self._open.set()
        self._listening = socket.create_server((ADDRESS, self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Lets nothing through: what is sent arrives nowhere, and new connections get no answer."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            far = socket.create_connection((ADDRESS, self.target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with near, far:
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._forward, args=(near, far), daemon=True)
            back.start()
            self._forward(far, near)
            back.join()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(CHUNK):
                self._open.wait()
                sink.sendall(content)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
