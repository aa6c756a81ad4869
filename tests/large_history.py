"""Fills a database with years of history.

`large_history.sql` inserts whole sets of rows with triggers off; the result is consistent to the last row.
"""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

Connection = psycopg.Connection[Any]

_INSERT_HISTORY = Path(__file__).with_name("large_history.sql")
# The indexes that back no constraint: it is several times faster to fill a table first and to build them afterwards.
# They are rebuilt in the order of the migrations, because the planner chooses by age between two of the same cost.
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
 WHERE relnamespace = 'public'::regnamespace AND relname ~ '^(billing|promos|orders|procrastinate)_'
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
 ORDER BY indexrelid
"""


def insert_large_history(connection: Connection, *, entries: int, codes: int, spare: int = 0) -> None:
    """Fill an empty database with ledger entries, a tenth as many customers, and promo codes.

    The customers' user ids are c-0, c-1, …, the codes GROWN-0, GROWN-1, …

    Args:
        entries: the number of ledger entries.
        codes: the number of promo codes, at least 7.
        spare: the least number of customers; those beyond a tenth of the entries have no history.
    """
    indexes = connection.execute(_INDEXES.encode()).fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for name, _ in indexes:
            connection.execute(SQL("DROP INDEX {}").format(Identifier(name)))
        connection.execute(_INSERT_HISTORY.read_text().encode())
        connection.execute("SELECT pg_temp.grow(%s, %s, %s)", [entries, codes, spare])
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("SELECT billing_chain_older_entries()")
    connection.execute("VACUUM (ANALYZE)")
