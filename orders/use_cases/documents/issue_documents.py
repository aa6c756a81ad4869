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
    issued = 0
    while True:
        found, is_last = _issue_batch(until or _find_horizon())
        issued += found
        if is_last:
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
def _issue_batch(until: datetime) -> tuple[int, bool]:
    cursor = lock_document_cursor()
    end, issued = _first_key_at(until), 0
    movements = read_movements(after=cursor.position, until=end, size=BATCH)
    for document in compose_documents(movements):
        document.save(force_insert=True)
        issued += 1
    is_last = len(movements) < BATCH
    cursor.position = max(end, cursor.position) if is_last else movements[-1].id
    cursor.save(update_fields=["position"])
    return issued, is_last
