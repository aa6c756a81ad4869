"""Says which credit each entry took, by a replay of the account's entries.

The entries of an account that holds or once held expiring credit name the lots that they took from. Before that, and
in any other account, the oldest credit is spent first (billing/models/lots/lots.sql). A reversed entry took nothing.
"""

from collections import deque
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from billing.models import LedgerEntry

# An explanation reads at most this many entries of an account, the oldest ones.
MAX_REPLAYED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The amount that an entry took from the credit which another one brought."""

    entry_id: UUID
    lot_id: UUID
    minor: int


# Without the entries that were undone, and without what undid them.
_REPLAYED = """
SELECT e.id, e.amount_minor FROM billing_ledgerentry e JOIN billing_account a ON a.customer_id = e.account_id
 WHERE e.account_id = %s AND (a.lots_since IS NULL OR e.version < a.lots_since) AND e.reverses_id IS NULL
   AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id)
 ORDER BY e.version
 LIMIT %s
"""
_MOVED = """
SELECT m.entry_id, m.lot_id, -m.amount_minor
  FROM billing_lot l JOIN billing_lotmove m ON m.lot_id = l.entry_id JOIN billing_ledgerentry e ON e.id = m.entry_id
 WHERE l.account_id = %s AND m.amount_minor < 0 AND e.reverses_id IS NULL
   AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id)
 ORDER BY e.version, m.id
 LIMIT %s
"""


def allocate_credit(*, account_id: int, of_entry: LedgerEntry | None = None) -> list[Part]:
    """Returns what each entry of an account took from which credit, or only what one entry took. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_REPLAYED, [account_id, MAX_REPLAYED])
        parts = replay(cursor.fetchall())
        cursor.execute(_MOVED, [account_id, MAX_REPLAYED])
        parts += [Part(entry_id=entry, lot_id=lot, minor=minor) for entry, lot, minor in cursor.fetchall()]
    return [part for part in parts if of_entry is None or part.entry_id == of_entry.pk]


def replay(entries: list[tuple[UUID, int]]) -> list[Part]:
    """Takes each negative amount from the oldest credit that is left.

    Args: entries: keys and amounts, oldest first.
    """
    left: deque[tuple[UUID, int]] = deque()
    parts = []
    for key, minor in entries:
        if minor > 0:
            left.append((key, minor))
            continue
        wanted = -minor
        while wanted and left:
            lot, rest = left.popleft()
            part = min(rest, wanted)
            parts.append(Part(entry_id=key, lot_id=lot, minor=part))
            wanted -= part
            if rest > part:
                left.appendleft((lot, rest - part))
    return parts
