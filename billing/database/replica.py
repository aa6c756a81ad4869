"""Reads of the audit trail, the ledger, reports and exports from a streaming replica: REPLICA_URL.

While `reading_from_replica` runs, each statement of this thread goes to the replica, whether the ORM sends it or not.
PostgreSQL refuses every write there, so nothing can be decided from what a replica shows: an act checks
everything again at the primary.

How far the replica is behind is measured against the primary's position each time. Beyond REPLICA_MAX_LAG_SECONDS, or
while the replica does not answer, the primary is read.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

REPLICA = "replica"
# A replica that does not answer is not asked again sooner, so that pages do not wait for it one after the other.
_ASK_AGAIN_SECONDS = 10
# A position that the replica has reached is not behind, however long ago the primary wrote last.
_BEHIND = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_last_wal_replay_lsn() >= %s::pg_lsn THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float END
"""

Part = TypeVar("Part")
_failed_at = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The server that a page is read from, and why it is the primary although there is a replica."""

    is_replica: bool
    behind_seconds: float = 0
    why: str = ""

    def __str__(self) -> str:
        if not self.is_replica:
            return f"Read from the primary, because the replica {self.why}."
        if not self.behind_seconds:
            return "Read from the replica, which has everything that the primary had."
        return f"Read from the replica, which is {self.behind_seconds:.1f} seconds behind the primary."


@contextmanager
def reading_from_replica(*, wanted: bool = True) -> Iterator[Source | None]:
    """Sends this thread's statements to the replica while the block runs, if it is fresh enough.

    Returns the source, or None if it is not wanted or there is no REPLICA_URL. The block must not write.
    """
    if not wanted or REPLICA not in connections.settings:
        yield None
        return
    source = _choose_source()
    if not source.is_replica:
        yield source
        return
    primary = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[REPLICA]
    try:
        yield source
    finally:
        connections[DEFAULT_DB_ALIAS] = primary


def iterate_from_replica(parts: Iterable[Part]) -> Iterator[Part]:
    """Yields the parts of an export, which are read from the replica if it is fresh enough when the first is read."""
    with reading_from_replica():
        yield from parts


def note_failure() -> Source:
    """Lets pages read from the primary for a while, after the replica failed. Returns the source."""
    global _failed_at  # noqa: PLW0603
    _failed_at = time.monotonic()
    return Source(is_replica=False, why="does not answer")


def _choose_source() -> Source:
    if time.monotonic() - _failed_at < _ASK_AGAIN_SECONDS:
        return Source(is_replica=False, why="does not answer")
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        [position] = cursor.fetchone()
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(_BEHIND, [position])
            is_in_recovery, behind = cursor.fetchone()
    except (DatabaseError, InterfaceError):
        return note_failure()
    if not is_in_recovery:
        return Source(is_replica=False, why="is a server of its own")
    if behind is None or behind > settings.REPLICA_MAX_LAG_SECONDS:
        return Source(
            is_replica=False, why="is too far behind" if behind is None else f"is {behind:.0f} seconds behind"
        )
    return Source(is_replica=True, behind_seconds=max(0.0, behind))
