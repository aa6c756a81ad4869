"""Advisory file locks, which the kernel takes back when their holder dies, however it dies.

A lock belongs to the opened file: a forked child shares it, and it is free only when the last copy is closed.
So it is never unlocked here, only closed.
"""

import fcntl
import os
import time
from pathlib import Path

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError

POLL_SECONDS = 0.02


def open_lock(path: Path) -> int:
    """Open a lock file, made where it is missing; not inherited by programs that this process runs."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take a lock if that is possible at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(descriptor: int, seconds: float, *, shared: bool = False, what: str) -> None:
    """Take a lock, or say after a while what is in the way."""
    deadline = time.monotonic() + seconds
    while not try_lock(descriptor, shared=shared):
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"Waited {seconds:.0f} seconds for {what}.")
        time.sleep(POLL_SECONDS)


def wait_for_lock(descriptor: int) -> None:
    """Take an exclusive lock, however long it takes."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Tell whether anybody holds an exclusive lock on a file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
