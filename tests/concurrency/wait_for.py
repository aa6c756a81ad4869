"""Waits for a condition in other connections by polling it, and fails after a deadline."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

from tests.database import parameters

DEADLINE_SECONDS = 20
_POLL_SECONDS = 0.005

Other = psycopg.Connection[tuple[Any, ...]]

# A vacuum that truncates a table can make a connection wait too, which says nothing about the test's own locks.
_WAITING = """
SELECT count(*) FROM pg_stat_activity AS waiter
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'
   AND EXISTS (SELECT FROM pg_stat_activity AS holder
                WHERE holder.pid = ANY (pg_blocking_pids(waiter.pid)) AND holder.backend_type = 'client backend')
"""


@contextmanager
def other_connection() -> Iterator[Other]:
    """Open a connection beside Django's, and roll its transaction back on exit unless it was committed."""
    other: Other = psycopg.connect(**parameters(str(connection.settings_dict["NAME"])))
    try:
        yield other
    finally:
        other.close()


def wait_until(happened: Callable[[], object], what: str, *, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until `happened` returns true. Raises: AssertionError after the deadline, with `what` in its message."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(_POLL_SECONDS)


def count_lock_waiters() -> int:
    """Return the number of connections to this database that wait for a lock."""
    with connection.cursor() as cursor:
        # Inside a transaction PostgreSQL would return its first snapshot again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(_WAITING)
        return int(cursor.fetchone()[0])


def wait_for_waiters(number: int, *, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until exactly this number of connections to this database wait for a lock."""
    what = f"waiting of {number} connections for a lock"
    wait_until(lambda: count_lock_waiters() == number, what, seconds=seconds)
