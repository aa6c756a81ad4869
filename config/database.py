"""How the service connects to PostgreSQL: pooled, statements prepared by the server, every wait bounded.

- Parameters are bound by the server (`server_side_binding`): only then does psycopg prepare a repeated
  statement. Django's default, binding in the client, makes every statement a new text.
- `isolation_level` is said explicitly: locking here is written for READ COMMITTED, whatever the server's
  default.
- Timeouts travel as startup options, so that they hold from the first statement and cost no round trip.
- A connection is asked whether it lives before a request uses it, which costs a system call and no round trip.
- A pooler in transaction mode (PgBouncer) shares one server session among clients: prepared statements,
  startup options and server-side cursors do not survive it. `DATABASE_POOLER=1` turns the three off; the
  timeouts are then set on the database role (`ALTER ROLE … SET lock_timeout = '5s'`).
"""

import select
from typing import Any

from psycopg import Connection as PsycopgConnection
from psycopg import Cursor, IsolationLevel, ProgrammingError
from psycopg.conninfo import conninfo_to_dict

# Executions of one statement on one connection before the server is asked to keep its plan (psycopg's own
# default).
PREPARE_THRESHOLD = 5
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
CONNECT_TIMEOUT_SECONDS = 5
# A request waits this long for a free connection before it is answered with 503.
POOL_WAIT_SECONDS = 5
# After this long a failing reconnect is given up, and the next request tries anew at once. The pool's default
# of five minutes, with doubling pauses, would keep refusing long after the server is back.
POOL_RECONNECT_SECONDS = 2

Connection = dict[str, Any]


class PooledConnection(PsycopgConnection[Any]):
    """A connection that knows without asking that its server is still there.

    The pool makes sure of a connection by an empty statement before it hands it out: a round trip for each request.
    A server that ends a session closes its end, so an idle connection with nothing to read is as alive as one can
    know; only where there is something to read is the server asked. One that is cut off without a word is noticed
    by neither way before its time-out.
    """

    def execute(self, query: Any, *args: Any, **options: Any) -> Cursor[Any]:
        if query == "" and not self._has_something_to_read():
            return self.cursor()
        return super().execute(query, *args, **options)

    def _has_something_to_read(self) -> bool:
        waiting = select.poll()
        waiting.register(self.fileno(), select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR)
        return bool(waiting.poll(0))


def connection_from_url(url: str) -> Connection:
    """The connection of a libpq URL (`postgresql://user:password@host:port/name?sslmode=require`).

    Raises: ValueError for anything else; the message does not repeat the URL, which holds a password.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("DATABASE_URL must be a postgresql:// URL")
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError:
        raise ValueError("DATABASE_URL is malformed") from None
    name = parts.pop("dbname", "")
    if not name:
        raise ValueError("DATABASE_URL names no database")
    return {
        "NAME": name,
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


def database(
    connection: Connection, *, pool_size: int, statement_timeout_seconds: int, behind_pooler: bool
) -> Connection:
    """Django's database settings for the connection.

    Args: pool_size: connections of one process at most; statement_timeout_seconds: 0 for none.
    """
    given: dict[str, Any] = dict(connection.get("OPTIONS", {}))
    options: dict[str, Any] = {
        "application_name": "qasima",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        **given,
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "server_side_binding": True,
        "prepare_threshold": None if behind_pooler else PREPARE_THRESHOLD,
        "pool": {
            "connection_class": PooledConnection,
            "min_size": min(2, pool_size),
            "max_size": pool_size,
            "timeout": POOL_WAIT_SECONDS,
            "reconnect_timeout": POOL_RECONNECT_SECONDS,
        },
    }
    if not behind_pooler:
        # What the URL says comes last and wins.
        startup = (
            f"-c TimeZone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"
            f" -c statement_timeout={statement_timeout_seconds * 1000}"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}"
        )
        options["options"] = f"{startup} {given.get('options', '')}".strip()
    return {
        **connection,
        "ENGINE": "django.db.backends.postgresql",
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": behind_pooler,
        "OPTIONS": options,
    }
