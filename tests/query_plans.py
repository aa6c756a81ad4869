"""Records the plans that PostgreSQL makes, including those inside functions, triggers and foreign keys.

With `debug_print_plan` the server sends each plan as a tree of nodes when it makes it. No statement has to be copied
out of a function for EXPLAIN, and none can be forgotten.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection
from psycopg.errors import Diagnostic

_NAMES = "SELECT oid::int8, relname FROM pg_class WHERE relkind IN ('r', 'i')"
_WATCH = "SET client_min_messages = log; SET debug_pretty_print = off; SET debug_print_plan = on"
_SEQUENTIAL = re.compile(r"\{SEQSCAN\b.*?:(?:scan\.)?scanrelid (\d+)")
_INDEX = re.compile(r"\{(?:INDEXSCAN|INDEXONLYSCAN|BITMAPINDEXSCAN)\b.*?:indexid (\d+)")
_TABLE = re.compile(r"\{RANGETBLENTRY\b.*?:rtekind (\d+)(?: :relid (\d+))?")
# Django makes a second index for LIKE on a unique text column; an exact search may use either.
_FOR_LIKE = re.compile(r"_[0-9a-f]{8}_like$")


@dataclass(slots=True)
class QueryPlans:
    """The indexes and the sequentially scanned tables of a session's plans; `inside` is of plans in functions."""

    indexes: set[str] = field(default_factory=set)
    sequential: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    number: int = 0


@contextmanager
def record_plans(*, generic: bool = False) -> Iterator[QueryPlans]:
    """Record every plan that a new session of this thread makes.

    Args:
        generic: whether to force generic plans, which a session caches for the statements of a function.
    """
    connection.close()
    made = QueryPlans()
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        names: dict[int, str] = dict(cursor.fetchall())

        def note(notice: Diagnostic) -> None:
            if notice.message_primary == "plan:":
                _read(notice, names, made)

        session = connection.connection
        if generic:
            cursor.execute("SET plan_cache_mode = force_generic_plan")
        # A session from the pool may have cached plans.
        cursor.execute("DISCARD PLANS")
        session.add_notice_handler(note)
        cursor.execute(_WATCH, None)
    try:
        yield made
    finally:
        session.remove_notice_handler(note)
        with connection.cursor() as cursor:
            # The session returns to the pool.
            cursor.execute("RESET ALL")
            cursor.execute("DISCARD PLANS")


def _read(notice: Diagnostic, names: dict[int, str], made: QueryPlans) -> None:
    made.number += 1
    tree = " ".join((notice.message_detail or "").split())
    tables = [int(relid or 0) for _, relid in _TABLE.findall(tree)]
    sequential = {names[tables[int(place) - 1]] for place in _SEQUENTIAL.findall(tree)}
    made.indexes |= {_FOR_LIKE.sub("_key", names[int(oid)]) for oid in _INDEX.findall(tree)}
    made.sequential |= sequential
    if "PL/pgSQL function" in (notice.context or ""):
        made.inside |= sequential
