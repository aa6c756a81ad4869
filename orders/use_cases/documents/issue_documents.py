"""Issues the documents of what was paid and paid back, in the order in which it happened.

A checkout writes no document, because all checkouts would wait for one counter. This job reads the entries that were
committed since its last round. One transaction writes the position, the documents and their numbers, so a crash
leaves no gap and no entry without its document. A constraint allows one document for an entry.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from orders.locks import lock_document_cursor
from orders.use_cases.documents.compose_document import compose_documents
from orders.use_cases.documents.movement import read_movements

BATCH = 200
# A key holds the primary's time. After its clock went back, entries get keys that the position has passed, so each
# call also looks for entries without a document that are so much older than its end.
OVERLAP = timedelta(hours=1)
# A transaction that has written may hold keys from its beginning on. One that has not will write later keys.
_HORIZON = """
SELECT least(min(xact_start), statement_timestamp()) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
"""


def issue_documents(*, until: datetime | None = None) -> int:
    """Issues all documents that are due. Returns how many.

    Args: until: the end of the entries to read; absent, all that are committed.
    Transaction: owns one a batch. Locks: the documents' cursor. Idempotency: an entry has one document.
    """
    issued, after = 0, None
    while True:
        found, after = _issue_batch(until or _find_horizon(), after)
        issued += found
        if after is None:
            return issued


def _find_horizon() -> datetime:
    """Finds an instant before which nobody writes an entry any more."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        horizon: datetime = cursor.fetchone()[0]
    return horizon


def _first_key_at(instant: datetime) -> UUID:
    """Returns the smallest key that an entry can get at that instant (billing/models/keys.sql)."""
    return UUID(int=(instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) << 80)


@transaction.atomic
def _issue_batch(until: datetime, after: UUID | None) -> tuple[int, UUID | None]:
    """Returns how many were issued, and the key after which to go on; none at the end."""
    cursor = lock_document_cursor()
    end, issued = _first_key_at(until), 0
    after = after or min(cursor.position, _first_key_at(until - OVERLAP))
    movements = read_movements(after=after, until=end, size=BATCH)
    for document in compose_documents(movements):
        document.save(force_insert=True)
        issued += 1
    last = movements[-1].id if len(movements) == BATCH else None
    cursor.position = max(cursor.position, last or end)
    cursor.save(update_fields=["position"])
    return issued, last
