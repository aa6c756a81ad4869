from collections.abc import Callable
from typing import TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from billing.errors import OutcomeUnknown
from billing.group_commit import is_refusal

Found = TypeVar("Found")


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
