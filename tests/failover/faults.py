"""Faults of the primary's machine. Each ends with its block."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import psycopg

from .gate import ADDRESS
from .nodes import MAX_CONNECTIONS, USER, Node


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


Fault = Callable[[Node], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {
    "killed": killed,
    "frozen": frozen,
    "cut off": cut_off,
    "out of connections": out_of_connections,
}
