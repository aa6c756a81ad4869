"""Waits for the locks of tables in short attempts, so that a migration never holds up the service for long.

A statement that changes a table waits for running transactions, and every later one on the table waits behind it. If
it holds the lock of another table already, it may wait for a transaction that waits for that. PostgreSQL looks for
such a deadlock after a second (`deadlock_timeout`), and may end a customer's transaction. So an attempt gives up
before, lets all requests pass, and is repeated:

- Outside a transaction, the statement is repeated. An index that is built concurrently holds up nobody, so it waits
  as long as it needs.
- What runs in a transaction is repeated as a whole by `repeat_until_locked`.
- SQL that makes triggers on many tables locks all of them first, in the order in which a checkout writes them. So it
  waits for the transactions that are running, and none of them waits for it.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable

# Less than PostgreSQL's deadlock_timeout.
ATTEMPT_MS = 500
PAUSE_SECONDS = 0.2
DEFAULT_WAIT_SECONDS = 60

# The tables that a checkout writes, in that order. The others are locked after them.
_WRITTEN_BY_CHECKOUT = (
    "billing_customer",
    "promos_redemption",
    "billing_ledgerentry",
    "billing_account",
    "billing_lot",
    "orders_order",
    "billing_subscription",
    "billing_organization",
    "orders_outboxevent",
)
_TRIGGER = re.compile(r"\bTRIGGER\s+\w+\s[^;]*?\sON\s+(\w+)")
_SESSION = {"lock_timeout": f"{ATTEMPT_MS}ms", "statement_timeout": "0"}


@contextmanager
def short_attempts(*, using: str, wait_seconds: float) -> Iterator[None]:
    """Limits how long a statement of this connection waits for a lock, and repeats those outside a transaction.

    Behind a pooler a session is shared, so its settings stay as they are.
    """
    connection = connections[using]
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        yield
        return
    before = _set(connection, _SESSION)
    try:
        with connection.execute_wrapper(_Repeat(connection, wait_seconds)):
            yield
    finally:
        _set(connection, before)


def repeat_until_locked(work: Callable[[], object], *, wait_seconds: float) -> None:
    """Does work that is all or nothing, again and again until it gets its locks.

    Raises: OperationalError where it does not get them in time.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            work()
            return
        except OperationalError as error:
            if not lacks_lock(error) or time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE_SECONDS)


@contextmanager
def rolled_back_if_left_open(*, using: str) -> Iterator[None]:
    """Ends the transactions that Django leaves open where this fails, so that it can be repeated.

    Django puts the foreign keys and indexes of a migration off to its end. Where one of them fails, it does not end
    the migration's transaction (`BaseDatabaseSchemaEditor.__exit__`), and every later statement fails too.
    """
    connection = connections[using]
    before = len(connection.atomic_blocks)
    try:
        yield
    except OperationalError as error:
        while len(connection.atomic_blocks) > before:
            connection.atomic_blocks[-1].__exit__(type(error), error, error.__traceback__)
        raise


def lock_tables_of_triggers(texts: Iterable[str], *, using: str) -> None:
    """Locks the tables on which this SQL makes triggers against writing, for the transaction that runs it."""
    named = {table for text in texts for table in _TRIGGER.findall(text)}
    first = [table for table in _WRITTEN_BY_CHECKOUT if table in named]
    ordered = [*first, *sorted(named.difference(first))]
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(name, ', ' ORDER BY number) FROM unnest(%s::text[]) WITH ORDINALITY AS t(name, number)"
            " JOIN pg_class ON oid = to_regclass(name) WHERE relkind = 'r'",
            [ordered],
        )
        tables = cursor.fetchone()[0]
        if tables:
            cursor.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")


def lacks_lock(error: OperationalError) -> bool:
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


class _Repeat:
    """Repeats single statements outside a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper, wait_seconds: float) -> None:
        self._connection = connection
        self._wait_seconds = wait_seconds

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if self._connection.in_atomic_block:
            return execute(sql, params, many, context)
        results: list[Any] = []
        if "CONCURRENTLY" in str(sql):
            execute("SET lock_timeout = 0", None, False, context)
            try:
                return execute(sql, params, many, context)
            finally:
                execute(f"SET lock_timeout = '{ATTEMPT_MS}ms'", None, False, context)
        repeat_until_locked(
            lambda: results.append(execute(sql, params, many, context)), wait_seconds=self._wait_seconds
        )
        return results[0]


def _set(connection: BaseDatabaseWrapper, settings: dict[str, str]) -> dict[str, str]:
    """Changes settings of the session. Returns their earlier values."""
    before = {}
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT current_setting(%s), set_config(%s, %s, false)", [name, name, value])
            before[name] = cursor.fetchone()[0]
    return before
