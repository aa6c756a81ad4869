"""Knows whether the process that asks Stripe for a payment is still alive, by a lock that ends with the process.

A process holds one session-level advisory lock, on a connection of its own, while it lives. A payment stores the
lock's key. However the process dies, PostgreSQL ends its session, and the lock is free: at once where the machine
still closes its sockets, within 15 seconds by TCP keepalives where it does not.

- A lost connection is noticed at once, because a thread waits at its socket, and the lock is taken again. Until then
  the process looks dead. Another request may then ask Stripe with the same idempotency keys, which gives the same
  session, so there are never two.
- After a restart of PostgreSQL no lock says anything about a process from before. Payments that were requested before
  the restart are left to the clock: they are abandoned when their lease is over.
- A pooler in transaction mode (PgBouncer) shares sessions among clients, so no lock belongs to a process. Behind one
  the key is 0, and the clock alone decides.
"""

import logging
import os
import secrets
import select
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

# The class of the lock's two keys. The other one is the process's.
_LOCK_CLASS = 1_817_403
_MAX_KEY = 2**31 - 1
RECONNECT_SECONDS = 1
# PostgreSQL ends a session whose machine has not answered for 15 seconds.
_SESSION_OPTIONS = (
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 -c idle_session_timeout=0"
)

_ABANDONED = """
SELECT order_id FROM orders_payment p
 WHERE status = 'requested' AND (order_id = %(order_id)s OR %(order_id)s::uuid IS NULL)
   AND (leased_until <= %(now)s
        OR (process_key <> 0 AND requested_at > pg_postmaster_start_time() AND NOT EXISTS (
             SELECT FROM pg_locks
              WHERE locktype = 'advisory' AND granted AND classid = %(lock_class)s AND objid = p.process_key::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))))
 ORDER BY random() LIMIT %(limit)s
"""

logger = logging.getLogger(__name__)


def process_key() -> int:
    """Returns the key of this process's lock, and takes the lock first where it is not held; 0 behind a pooler.

    The first call connects to the database. Raises: psycopg.OperationalError.
    """
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return 0
    # A forked process has its parent's memory, but not its lock.
    owner = (os.getpid(), str(connection.settings_dict["NAME"]))
    with _starting:
        if owner not in _held:
            _held[owner] = _ProcessLock()
        return _held[owner].key


def find_abandoned_payments(*, now: datetime, limit: int) -> list[UUID]:
    """Finds the orders whose payment no process is asking Stripe for: it died, or its lease is over."""
    return _find(now=now, limit=limit, order_id=None)


def is_abandoned(*, order_id: UUID, now: datetime) -> bool:
    """Returns whether no process is asking Stripe for the order's requested payment."""
    return bool(_find(now=now, limit=1, order_id=order_id))


def _find(*, now: datetime, limit: int, order_id: UUID | None) -> list[UUID]:
    parameters: dict[str, Any] = {"now": now, "limit": limit, "order_id": order_id, "lock_class": _LOCK_CLASS}
    with connection.cursor() as cursor:
        cursor.execute(_ABANDONED, parameters)
        return [found for (found,) in cursor.fetchall()]


class _ProcessLock:
    """The lock of this process, and the thread that takes it again after its connection was lost."""

    def __init__(self) -> None:
        self.key = 0
        self._parameters = _connection_parameters()
        self._connect()
        Thread(target=self._keep, name="process-lock", daemon=True).start()

    def _connect(self) -> None:
        held = psycopg.connect(**self._parameters, autocommit=True)
        # It takes its former key again, or else a random one; if another process holds that, the next one.
        while not self._take(held, self.key or secrets.randbelow(_MAX_KEY) + 1):
            self.key = 0
        self._connection = held

    def _take(self, held: "psycopg.Connection[Any]", key: int) -> bool:
        row = held.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", [_LOCK_CLASS, key]).fetchone()
        self.key = key
        return bool(row and row[0])

    def _keep(self) -> None:
        while True:
            # Nothing is ever sent to this session, so its socket is readable only when the server has ended it.
            waiting = select.poll()
            waiting.register(self._connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
            waiting.poll()
            self._connection.close()
            self._reconnect()

    def _reconnect(self) -> None:
        pause, is_logged = Event(), False
        while True:
            try:
                self._connect()
                return
            except psycopg.Error as error:
                if not is_logged:
                    logger.warning("the process's lock is lost until PostgreSQL answers: %s", type(error).__name__)
                is_logged = True
                pause.wait(RECONNECT_SECONDS)


def _connection_parameters() -> dict[str, Any]:
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold", "pool"):
        parameters.pop(name, None)
    options = f"{parameters.pop('options', '')} {_SESSION_OPTIONS}".strip()
    return {**parameters, "options": options, "application_name": "qasima process lock"}


_starting = Lock()
_held: dict[tuple[int, str], _ProcessLock] = {}
