"""Fills a database with years of history.

`large_history.sql` inserts whole sets of rows with triggers off; the result is consistent to the last row.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

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


class SharedUse(NamedTuple):
    """A round of redemptions, 0 to 6, in which all customers redeem one voucher, or each another card of a batch."""

    round: int
    promo_code_id: UUID
    first_serial: int | None = None
    cards: int | None = None


def insert_large_history(
    connection: Connection,
    *,
    entries: int,
    codes: int,
    spare: int = 0,
    campaigns: Sequence[UUID] = (),
    shared: Sequence[SharedUse] = (),
    beside: Callable[[], object] = lambda: None,
) -> None:
    """Fill an empty database with ledger entries, a tenth as many customers, and promo codes.

    The customers' user ids are c-0, c-1, …, the codes GROWN-0, GROWN-1, …

    Args:
        entries: the number of ledger entries.
        codes: the number of promo codes, at least 7.
        spare: the least number of customers; those beyond a tenth of the entries have no history.
        campaigns: the campaigns of half of the codes, each with room in its budget.
        beside: inserts more rows in the same transaction, before the indexes are built.
        shared: the rounds in which customers redeem what others redeem too. Its credit is 10.000 OMR.
    """
    indexes = connection.execute(_INDEXES.encode()).fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for name, _ in indexes:
            connection.execute(SQL("DROP INDEX {}").format(Identifier(name)))
        connection.execute(_INSERT_HISTORY.read_text().encode())
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO grown_campaign VALUES (%s, %s)", list(enumerate(campaigns)))
            cursor.executemany("INSERT INTO shared_use VALUES (%s, %s, %s, %s)", shared)
        connection.execute("SELECT pg_temp.grow(%s, %s, %s)", [entries, codes, spare])
        beside()
        connection.execute("SELECT pg_temp.chain_entries()")
        for _, definition in indexes:
            connection.execute(definition.encode())
    connection.execute("VACUUM (ANALYZE)")
