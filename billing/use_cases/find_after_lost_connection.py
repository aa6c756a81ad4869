"""Finds what a request has written whose connection was lost between its commit and its answer.

If it is not found, the customer learns that the outcome is unknown. A retry without an idempotency key would then be
refused by what the request itself has written. So the audit trail remembers the request, and its retry finds what was
written, once, in every process. While the database is away, a thread tries to write the entry until it can.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Event, Thread
from typing import TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from billing.actor import Actor
from billing.database.group_commit import is_refusal
from billing.errors import OutcomeUnknown
from billing.models import AuditEntry
from billing.use_cases.record_audit import record_audit

Found = TypeVar("Found")

# How long after the request its retry may come.
MAX_RETRY_AGE = timedelta(hours=24)
# A thread tries to write the entry for at least ten minutes. Only a request that was in flight when its connection
# was lost starts one, so there are few.
_SECONDS_BETWEEN_WRITES, _MAX_WRITES = 0.2, 3_000

logger = logging.getLogger(__name__)


def find_after_lost_connection(error: OperationalError | InterfaceError, find: Callable[[], Found | None]) -> Found:
    """Connects again, and returns what the request of the lost connection has written.

    Raises: OutcomeUnknown if `find` finds nothing, because the server may still be committing; the error itself if
    the server refused the request or was never reached, so that nothing was changed.
    """
    if connection.in_atomic_block or is_refusal(error) or _was_never_sent(error):
        raise error
    connection.close()
    try:
        found = find()
    except (OperationalError, InterfaceError) as second:
        raise OutcomeUnknown(retry_after=5) from second
    if found is None:
        raise OutcomeUnknown(retry_after=5) from error
    return found


def _was_never_sent(error: BaseException) -> bool:
    """Returns whether there was no connection at all. Only a failed attempt to connect carries its `pgconn`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PoolTimeout) or (isinstance(cause, psycopg.Error) and cause.pgconn is not None):
            return True
        cause = cause.__cause__
    return False


def find_or_remember(
    error: OperationalError | InterfaceError,
    kind: str,
    request: object,
    *,
    by: Actor,
    tried_at: datetime,
    find: Callable[[datetime], Found | None],
) -> Found:
    """Returns what the request of the lost connection has written; if its outcome is unknown, remembers the request.

    Args: kind: `checkout` or `top-up`; request: its values, whose text identifies it; find: finds what was written
    by the request that was made at this time.
    Raises: as find_after_lost_connection.
    """
    try:
        return find_after_lost_connection(error, lambda: find(tried_at))
    except OutcomeUnknown:
        try:
            _write_unknown(kind, request, by, tried_at)
        except (OperationalError, InterfaceError):
            # It ends with the process: a process that waited for it could not be stopped while the database is away.
            Thread(target=_write_unknown_later, args=(kind, request, by, tried_at), daemon=True).start()
        raise


def find_unknown(
    kind: str, request: object, *, by: Actor, now: datetime, find: Callable[[datetime], Found | None]
) -> Found | None:
    """Finds what an earlier try of the same request has written, unless its customer has learned of it.

    Args: find: finds what was written by the request that was made at this time.
    Transaction: joins. One query where no such try is remembered.
    """
    identity = _identify(request, by=by)
    entries = AuditEntry.objects.filter(
        object_type=kind, object_id=identity, created_at__gt=now - MAX_RETRY_AGE
    ).order_by("created_at", "id")
    tries: list[datetime] = []
    for action, changes in entries.values_list("action", "changes"):
        tries = [] if action == _answered(kind) else [*tries, datetime.fromisoformat(changes["tried_at"][1])]
    for tried_at in tries:
        found = find(tried_at)
        if found is not None:
            record_audit(action=_answered(kind), object_type=kind, object_id=identity, by=by)
            return found
    return None


def _write_unknown(kind: str, request: object, by: Actor, tried_at: datetime) -> None:
    record_audit(
        action=f"{kind}.outcome_unknown",
        object_type=kind,
        object_id=_identify(request, by=by),
        by=by,
        changes={"tried_at": [None, tried_at.isoformat()]},
    )


def _write_unknown_later(kind: str, request: object, by: Actor, tried_at: datetime) -> None:
    pause = Event()
    for _ in range(_MAX_WRITES):
        pause.wait(_SECONDS_BETWEEN_WRITES)
        try:
            _write_unknown(kind, request, by, tried_at)
        except (OperationalError, InterfaceError):
            continue
        finally:
            connection.close()
        return
    logger.error("a %s of unknown outcome is not remembered: the database stayed away", kind)


def _identify(request: object, *, by: Actor) -> str:
    return sha256(repr((by.user_id, request)).encode()).hexdigest()


def _answered(kind: str) -> str:
    return f"{kind}.outcome_answered"
