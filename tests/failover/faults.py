"""Faults of the primary's machine. Each ends with its block."""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime

import psycopg

from .gate import ADDRESS
from .nodes import LIBFAKETIME, MAX_CONNECTIONS, USER, Node

HOUR_SECONDS = 3600


@contextmanager
def killed(node: Node) -> Iterator[None]:
    """Patroni and PostgreSQL end at once, as without power."""
    node.kill()
    try:
        yield
    finally:
        node.start()


@contextmanager
def frozen(node: Node) -> Iterator[None]:
    """Nothing of the node runs, and its connections stay open."""
    node.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.signal(signal.SIGCONT)


@contextmanager
def cut_off(node: Node) -> Iterator[None]:
    """The node runs, and reaches neither etcd nor the others; they do not reach it."""
    node.cut_off()
    try:
        yield
    finally:
        node.reconnect()


@contextmanager
def out_of_connections(node: Node) -> Iterator[None]:
    """Others hold every connection that the node accepts, those of superusers too."""
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            for _ in range(MAX_CONNECTIONS):
                held.enter_context(psycopg.connect(host=ADDRESS, port=node.port, user=USER, dbname="postgres"))
        yield


@contextmanager
def disk_filled(node: Node) -> Iterator[None]:
    """Nothing more fits on the disk of the data directory."""
    filler = node.disk / "filler"
    with filler.open("wb") as file:
        for size in (64 << 20, 1 << 20, 4 << 10):
            with suppress_full_disk():
                while True:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def suppress_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def clock_moved(node: Node) -> Iterator[None]:
    """The clock of PostgreSQL and Patroni jumps an hour ahead, and an hour back at the end."""
    node.set_clock(f"+{HOUR_SECONDS}")
    deadline = time.monotonic() + 10
    while not is_ahead(node):
        assert time.monotonic() < deadline, "the clock does not move"
    try:
        yield
    finally:
        node.set_clock("+0")


def is_ahead(node: Node) -> bool:
    """Returns whether PostgreSQL's clock has jumped. A session that begins at that moment is timed out by it."""
    try:
        with psycopg.connect(host=ADDRESS, port=node.port, user=USER, dbname="postgres") as connection:
            [moment] = connection.execute("SELECT now()").fetchone() or [datetime.min.replace(tzinfo=UTC)]
    except psycopg.OperationalError:
        return False
    return (moment - datetime.now(UTC)).total_seconds() > HOUR_SECONDS - 60


Fault = Callable[[Node], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {
    "killed": killed,
    "frozen": frozen,
    "cut off": cut_off,
    "out of connections": out_of_connections,
    "disk filled": disk_filled,
    "clock moved": clock_moved,
}
# While this fault lasts, PostgreSQL may stay the primary and refuse: then each answer is a 503.
MAY_REFUSE = ("disk filled",)


def why_not_tried(fault: str, node: Node) -> str:
    """Returns why a fault cannot be tried on this machine; empty if it can."""
    if fault == "disk filled" and not os.path.ismount(node.disk):
        return "only root may mount a disk of its own for a node (tmpfs)"
    if fault == "clock moved" and not LIBFAKETIME:
        return "there is no libfaketime: install Debian's faketime"
    return ""
