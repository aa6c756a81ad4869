"""A database as it is after years: made by sets, with triggers off, and consistent to the last row (grown.sql)."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

Connection = psycopg.Connection[Any]

_GROW = Path(__file__).with_name("grown.sql")
# Those that no constraint stands on: filling a table and then building them is several times as fast. In the order of
# the migrations: between two indexes that cost the same the planner decides by their age.
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
 WHERE relnamespace = 'public'::regnamespace AND relname ~ '^(billing|promos|orders|procrastinate)_'
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
 ORDER BY indexrelid
"""


def grow(connection: Connection, *, entries: int, codes: int, spare: int = 0) -> None:
    """Fills an empty database with so many ledger entries, a tenth of that in customers, and codes.

    Args: codes: at least 7; spare: customers at least, those beyond without a history.

    The customers' user ids are c-0, c-1, …, the codes GROWN-0, GROWN-1, …
    """
    indexes = connection.execute(_INDEXES.encode()).fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for name, _ in indexes:
            connection.execute(SQL("DROP INDEX {}").format(Identifier(name)))
        connection.execute(_GROW.read_text().encode())
        connection.execute("SELECT pg_temp.grow(%s, %s, %s)", [entries, codes, spare])
        for _, definition in indexes:
            connection.execute(definition.encode())
    connection.execute("VACUUM (ANALYZE)")
