"""Connection settings for PostgreSQL: a pool, server-side prepared statements, and a timeout for every wait.

- The server binds parameters (`server_side_binding`), because psycopg prepares a repeated statement only then. With
  Django's default, binding in the client, every statement is a new text.
- `isolation_level` is explicit, because the locking is written for READ COMMITTED, whatever the server's default.
- Timeouts are sent as startup options, so that they apply from the first statement and cost no round trip.
- Each connection is checked before a request uses it. The check costs a system call and no round trip.
- A pooler in transaction mode (PgBouncer) shares one server session among clients. Prepared statements, startup
  options and server-side cursors do not work with it, and `DATABASE_POOLER=1` turns them off. Then the timeouts
  must be set on the database role (`ALTER ROLE … SET lock_timeout = '5s'`).
"""

import os
import select
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, Cursor, IsolationLevel, OperationalError, ProgrammingError, connect
from psycopg import Connection as PsycopgConnection
from psycopg import Error as PsycopgError
from psycopg.conninfo import conninfo_to_dict

# A statement is prepared after this many executions on one connection. This is psycopg's own default.
PREPARE_THRESHOLD = 5
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
CONNECT_TIMEOUT_SECONDS = 5
# Staff read from the replica: few at a time, and a page reads from the primary instead of waiting for it.
REPLICA_POOL_SIZE = 4
REPLICA_WAIT_SECONDS = 1
# A request waits this long for a free connection before it gets a 503.
POOL_WAIT_SECONDS = 5
# The pool gives up a failing reconnect after this long, and the next request tries again immediately. With the pool's
# default of five minutes and doubling pauses, requests would keep failing long after the server is back.
POOL_RECONNECT_SECONDS = 2

Connection = dict[str, Any]

# The web processes of a deployment share this many connections. PostgreSQL accepts 100 by default and keeps 3 for
# superusers; a worker takes at most 16, so a second one fits too.
WEB_CONNECTIONS = 64
# A process that has asked Stripe for a payment holds this many beside its pool (orders/process_lock.py).
LOCK_CONNECTIONS = 1
MAX_DEFAULT_POOL_SIZE = 16
MAX_DEFAULT_WEB_PROCESSES = 8


def default_web_processes() -> int:
    """Returns how many web processes run unless WEB_CONCURRENCY says otherwise: two a core, at most eight."""
    return min(2 * (os.cpu_count() or 1), MAX_DEFAULT_WEB_PROCESSES)


def default_pool_size(web_processes: int) -> int:
    """Returns how many connections each web process may open, so that all of them fit into WEB_CONNECTIONS."""
    return max(1, min(MAX_DEFAULT_POOL_SIZE, WEB_CONNECTIONS // web_processes - LOCK_CONNECTIONS))


def describe_connection_shortage(settings: Connection, *, web_processes: int) -> str:
    """Returns a warning if the web processes may open more connections than PostgreSQL accepts, else nothing.

    A server that cannot be reached gets no warning: it may start later.
    """
    options = {name: value for name, value in settings["OPTIONS"].items() if name not in _DJANGO_OPTIONS}
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options |= {name: settings[key] for name, key in names.items() if settings.get(key)}
    try:
        with connect(**options) as connection:
            row = connection.execute(
                "SELECT current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int"
            ).fetchone()
    except PsycopgError:
        return ""
    accepted = int(row[0]) if row else 0
    opened = int(settings["OPTIONS"]["pool"]["max_size"]) + LOCK_CONNECTIONS
    if web_processes * opened <= accepted:
        return ""
    return (
        f"{web_processes} web processes may open {opened} connections each, but PostgreSQL accepts {accepted}:"
        " lower WEB_CONCURRENCY or DATABASE_POOL_SIZE, or raise max_connections"
    )


_DJANGO_OPTIONS = frozenset(("isolation_level", "server_side_binding", "prepare_threshold", "pool"))


class PooledConnection(PsycopgConnection[Any]):
    """A connection whose health check usually costs no round trip.

    The pool checks a connection with an empty statement before it hands it out, a round trip for each request. But a
    server that ends a session closes its side of the socket. So an idle connection with nothing to read is healthy as
    far as anyone can know, and only one with something to read needs the statement. Neither check notices a
    connection that was cut off silently.
    """

    def execute(self, query: Any, *args: Any, **options: Any) -> Cursor[Any]:
        if query != "":
            return super().execute(query, *args, **options)
        if not has_something_to_read(self):
            return self.cursor()
        try:
            return super().execute(query, *args, **options)
        except OperationalError:
            # The server ended this session, and probably the others too, as a restart does. The pool would test its
            # remaining connections one by one, with growing pauses in between.
            pool = getattr(self, "_pool", None)
            if pool is not None:
                pool.drain()
            raise


class WorkerConnection(AsyncConnection[Any]):
    """A connection of the worker's own pool, with the same health check."""

    async def execute(self, query: Any, *args: Any, **options: Any) -> AsyncCursor[Any]:
        if query == "" and not has_something_to_read(self):
            return self.cursor()
        return await super().execute(query, *args, **options)


async def commit_each_statement(connection: WorkerConnection) -> None:
    """Configures a new connection of the worker's pool."""
    await connection.set_autocommit(True)


def has_something_to_read(connection: PsycopgConnection[Any] | AsyncConnection[Any]) -> bool:
    """Returns whether the server has sent something, or closed its side of the socket. It asks the server nothing."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR)
    return bool(waiting.poll(0))


def connection_from_url(url: str, *, name: str = "DATABASE_URL") -> Connection:
    """Parses a libpq URL such as `postgresql://user:password@host:port/name?sslmode=require`.

    Raises: ValueError for anything else. The message does not repeat the URL, which holds a password.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"{name} must be a postgresql:// URL")
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except ProgrammingError:
        raise ValueError(f"{name} is malformed") from None
    database_name = parts.pop("dbname", "")
    if not database_name:
        raise ValueError(f"{name} names no database")
    return {
        "NAME": database_name,
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


def database(
    connection: Connection, *, pool_size: int, statement_timeout_seconds: int, behind_pooler: bool
) -> Connection:
    """Returns Django's database settings for the connection.

    Args: pool_size: the largest number of connections of one process; statement_timeout_seconds: 0 for none.
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
        # Options in the URL come last, so they win.
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


def replica_database(connection: Connection, *, statement_timeout_seconds: int) -> Connection:
    """Returns Django's database settings for the replica: a few connections, opened when the first page needs one."""
    found = database(
        connection,
        pool_size=REPLICA_POOL_SIZE,
        statement_timeout_seconds=statement_timeout_seconds,
        behind_pooler=False,
    )
    found["OPTIONS"]["pool"] |= {"min_size": 0, "timeout": REPLICA_WAIT_SECONDS}
    return found
