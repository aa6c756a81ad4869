"""Counts the statements and round trips between this process and the database, by the trace of libpq."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryFile

from django.db import connection
from psycopg.pq import Trace

# A message to the server: F, its length, its type.
_SENT = re.compile(r"^F\t\d+\t(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The number of SQL statements, BEGIN and COMMIT included, and of round trips to the server.

    Both are equal once a session has prepared its statements; before that, each statement costs another round trip.
    """

    statements: int
    round_trips: int

    def __str__(self) -> str:
        return f"statements: {self.statements}, round trips: {self.round_trips}"


def measure_traffic(act: Callable[[], object]) -> Traffic:
    """Call `act` and measure the traffic of this thread's connection, which must be the same before and after."""
    connection.ensure_connection()
    session = connection.connection
    with TemporaryFile("w+") as trace:
        session.pgconn.trace(trace.fileno())
        session.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            act()
        finally:
            session.pgconn.untrace()
        assert connection.connection is session, "the call used another connection"
        trace.seek(0)
        sent = _SENT.findall(trace.read())
    return Traffic(
        statements=sum(kind in {"Execute", "Query"} for kind in sent),
        round_trips=sum(kind in {"Sync", "Query"} for kind in sent),
    )
