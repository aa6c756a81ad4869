"""What passes between this process and the database while something is done, as libpq tells it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryFile

from django.db import connection
from psycopg.pq import Trace

# A message to the server: F, its length, its kind.
_SENT = re.compile(r"^F\t\d+\t(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """SQL statements, BEGIN and COMMIT among them, and how often the server's answer is waited for.

    Once a session has prepared its statements both are the same; the first times each is parsed in a round trip more.
    """

    statements: int
    round_trips: int

    def __str__(self) -> str:
        return f"statements: {self.statements}, round trips: {self.round_trips}"


def measure_traffic(act: Callable[[], object]) -> Traffic:
    """Does it, on this thread's connection, which must be the same before and after."""
    connection.ensure_connection()
    session = connection.connection
    with TemporaryFile("w+") as told:
        session.pgconn.trace(told.fileno())
        session.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            act()
        finally:
            session.pgconn.untrace()
        assert connection.connection is session, "it was done on another connection"
        told.seek(0)
        sent = _SENT.findall(told.read())
    return Traffic(
        statements=sum(kind in {"Execute", "Query"} for kind in sent),
        round_trips=sum(kind in {"Sync", "Query"} for kind in sent),
    )
