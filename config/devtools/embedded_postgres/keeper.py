"""The keeper: a small detached process that starts a cluster's server, restarts it, and stops it.

Every process that uses the server holds a shared lock on the lease file. The keeper waits for the exclusive
one; when it gets it nobody is left, and it stops the server and ends. Nobody has to tell it anything, so
nobody can die without telling it. A newcomer meanwhile waits for its lock, then starts a new keeper. If the
keeper itself is killed, the server goes on, and the next process that asks for it starts a new keeper, which
adopts it.

It runs in a session of its own, so that Ctrl-C at a terminal reaches the users of the server and not the
server.
"""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.locks import open_lock, try_lock, wait_for_lock
from config.devtools.embedded_postgres.places import Places
from config.devtools.embedded_postgres.processes import kill_server
from config.devtools.embedded_postgres.server import Server

READY = "ready"
BUSY = "busy"
PIN = signal.SIGUSR1
STOP = signal.SIGTERM
EXIT_SERVER_LOST = 3
WATCH_SECONDS = 0.2


class StopRequested(Exception):
    """Somebody asked the keeper to stop the server, though it may still be in use."""


class Keeper:
    """Keeps the server of one cluster running for as long as it is used."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.server = Server(places)
        self.is_stopping = False
        self.change = threading.Lock()
        self.pins: list[int] = []

    def run(self) -> None:
        """Start the server, say how that went, wait until nobody uses it, and stop it."""
        signal.signal(PIN, self.pin)
        signal.signal(STOP, request_stop)
        lock = open_lock(self.places.keeper_lock)
        if not try_lock(lock):
            report(BUSY)
            return
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        lease = open_lock(self.places.lease)
        try:
            self.server.start_or_adopt()
            threading.Thread(target=self.watch, daemon=True).start()
            report(READY)
            wait_for_lock(lease)
        except StopRequested:
            pass
        except EmbeddedPostgresError as error:
            report(str(error))
            return
        signal.signal(STOP, signal.SIG_IGN)
        with self.change:
            self.is_stopping = True
        self.server.stop()
        # A newcomer that gets the lease must find no keeper, so this lock goes first.
        os.close(lock)
        os.close(lease)

    def watch(self) -> None:
        """Restart the server whenever it dies, until it is stopped on purpose."""
        while True:
            lock = open_lock(self.places.server_lock)
            was_lost = False
            while not try_lock(lock):
                is_lost = not self.is_stopping and self.server.has_lost_its_postmaster()
                if was_lost and is_lost:  # a look at the wrong moment is not enough to kill
                    kill_server(self.places)
                was_lost = is_lost
                time.sleep(WATCH_SECONDS)
            with self.change:
                if self.is_stopping:
                    os.close(lock)
                    return
                log("The server died; starting it again.")
                try:
                    self.server.start(lock)
                except EmbeddedPostgresError as error:
                    log(str(error))
                    # The next process that needs the server tries again, and gets the error.
                    os._exit(EXIT_SERVER_LOST)
            os.close(lock)

    def pin(self, number: int, frame: FrameType | None) -> None:
        """Keep the server running until it is told to stop, whether it is used or not."""
        if not self.pins:
            descriptor = open_lock(self.places.lease)
            if try_lock(descriptor, shared=True):
                self.pins.append(descriptor)


def request_stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave the wait for the last user."""
    raise StopRequested


def report(message: str) -> None:
    """Tell the process that started this keeper how it went, and let go of it."""
    os.write(sys.stdout.fileno(), message.encode())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def log(message: str) -> None:
    """Write a line into the keeper's log, which is its standard error."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def keep(places: Places) -> None:
    """Detach from the process that started this one, and keep a cluster."""
    if os.fork():
        os._exit(0)  # the starter waits for us, and must not be left with a child
    os.chdir("/")
    Keeper(places).run()
