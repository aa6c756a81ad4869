"""Compares the whole database before and after, to show that a refusal changes nothing.

A refused code is remembered as an attempt, which is no change; tests/promos/test_refused_attempts.py asserts them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

Snapshot = dict[str, list[str]]
# The database adds each audit entry and card entry to its chain when the transaction commits.
_CHAIN = {"public.billing_auditlink", "public.billing_auditchain"}
_CARD_CHAIN = {"public.orders_cardlink", "public.orders_cardchain"}

_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pristine')
   AND c.relname NOT IN ('promos_refusedattempt', 'promos_codepreviews')
 ORDER BY 1
"""


def snapshot() -> Snapshot:
    """Return every row of every table as text: table → its rows in order. Empty tables are absent."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [str(name) for (name,) in cursor.fetchall()]
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}', t::text FROM {name} t" for name in tables))
        rows = cursor.fetchall()
    found: Snapshot = {}
    for table, row in sorted(rows):
        found.setdefault(table, []).append(row)
    return found


def without_audit(found: Snapshot) -> Snapshot:
    """Return the snapshot without the audit trail, which remembers a checkout whose outcome was unknown."""
    return {table: rows for table, rows in found.items() if table not in {"public.billing_auditentry", *_CHAIN}}


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Assert that the block changes no row of any table."""
    before = snapshot()
    yield
    changes = _differences(before, snapshot())
    assert not changes, "\n".join(changes)


@contextmanager
def only_changes(*tables: str) -> Iterator[None]:
    """Assert that the block changes rows in exactly these tables, and in each of them.

    A form of the console also stores its own id, which tests/concurrency/test_console_forms.py asserts.
    """
    before = snapshot()
    yield
    after = snapshot()
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    changed.discard("public.billing_formsubmission")
    expected = {f"public.{table}" for table in tables}
    if "public.billing_auditentry" in expected:
        changed -= _CHAIN
    if "public.orders_cardentry" in expected:
        changed -= _CARD_CHAIN
    assert changed == expected, f"changed {sorted(changed)}, not {sorted(expected)}"


def _differences(before: Snapshot, after: Snapshot) -> list[str]:
    return [
        f"{sign} {table} {row}"
        for sign, one, other in (("-", before, after), ("+", after, before))
        for table, rows in one.items()
        if rows != other.get(table)  # comparing row by row takes long for a large table
        for row in rows
        if row not in other.get(table, [])
    ]
