"""The plans that PostgreSQL really makes: of every statement, those inside functions, triggers and foreign keys too.

With `debug_print_plan` the server sends each plan as it is made, as a tree of nodes. No statement has to be copied
out of a function to be explained, and none can be forgotten.
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
# Django makes a second index for LIKE beside that of a unique text; a search for the whole text may take either.
_FOR_LIKE = re.compile(r"_[0-9a-f]{8}_like$")


@dataclass(slots=True)
class Plans:
    """What the plans of a session read by: indexes, and tables from end to end; `inside` those of functions alone."""

    indexes: set[str] = field(default_factory=set)
    sequential: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    number: int = 0


@contextmanager
def record_plans(*, generic: bool = False) -> Iterator[Plans]:
    """Every plan that a new session of this thread makes meanwhile.

    Args: generic: plans for any parameters, as a session keeps them for the statements of a function.
    """
    connection.close()
    made = Plans()
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        names: dict[int, str] = dict(cursor.fetchall())

        def note(told: Diagnostic) -> None:
            if told.message_primary == "plan:":
                _read(told, names, made)

        session = connection.connection
        if generic:
            cursor.execute("SET plan_cache_mode = force_generic_plan")
        # The pool's session may have done something before.
        cursor.execute("DISCARD PLANS")
        session.add_notice_handler(note)
        cursor.execute(_WATCH, None)
    try:
        yield made
    finally:
        session.remove_notice_handler(note)
        with connection.cursor() as cursor:
            # The session goes back to its pool.
            cursor.execute("RESET ALL")
            cursor.execute("DISCARD PLANS")


def _read(told: Diagnostic, names: dict[int, str], made: Plans) -> None:
    made.number += 1
    tree = " ".join((told.message_detail or "").split())
    tables = [int(relid or 0) for _, relid in _TABLE.findall(tree)]
    sequential = {names[tables[int(place) - 1]] for place in _SEQUENTIAL.findall(tree)}
    made.indexes |= {_FOR_LIKE.sub("_key", names[int(oid)]) for oid in _INDEX.findall(tree)}
    made.sequential |= sequential
    if "PL/pgSQL function" in (told.context or ""):
        made.inside |= sequential
