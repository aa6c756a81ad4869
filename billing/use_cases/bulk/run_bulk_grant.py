"""Grants, or takes back, the credit of a bulk grant, chunk by chunk.

A chunk commits the ledger entries and the states of its rows together. So a worker that dies loses at most one chunk,
and the next one continues with the first row that has no result: no row counts twice, and none is left out.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from billing.models import BulkGrant, BulkGrantRow, Customer
from billing.use_cases.bulk.draft_bulk_grant import lock_bulk_grant
from billing.use_cases.bulk.start_bulk_grant import actor_from, enqueue_run
from billing.use_cases.ledger.grant_many import grant_many
from billing.use_cases.record_audit import record_audit

# Limits a transaction: the accounts of its customers stay locked until it ends.
CHUNK_SIZE = 1_000
Status, RowStatus, Why = BulkGrant.Status, BulkGrantRow.Status, BulkGrantRow.Why
# A row's key → its new status, why, and its entry.
Results = dict[int, tuple[str, str, UUID | None]]
_WRITE_RESULTS = """
UPDATE billing_bulkgrantrow r SET status = each.status, why = each.why, entry_id = coalesce(each.entry, r.entry_id)
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::uuid[]) AS each(id, status, why, entry) WHERE r.id = each.id
"""
_UNDO = "SELECT entry, kept FROM billing_undo_grants(%s::uuid[], %s, ROW(%s, %s, %s, %s)::billing_actor)"


def run_bulk_grant(*, bulk_grant_id: UUID, size: int = CHUNK_SIZE) -> None:
    """Carries on with a bulk grant that was started, or with its undo, until all rows have their result.

    Raises: BulkGrantNotFound. Transaction: owns one for each chunk.
    Idempotency: continues where an earlier run ended.
    """
    for _ in run_in_chunks(bulk_grant_id=bulk_grant_id, size=size):
        pass


def run_in_chunks(*, bulk_grant_id: UUID, size: int = CHUNK_SIZE) -> Iterator[list[str]]:
    """As `run_bulk_grant`; yields the new statuses of each chunk's rows once it is committed."""
    while (statuses := _run_chunk(bulk_grant_id, size)) is not None:
        yield statuses


def continue_bulk_grants() -> None:
    """Adds a job for each bulk grant that is under way, in case that its own job failed or was never there."""
    for found in BulkGrant.objects.filter(status__in=[Status.RUNNING, Status.UNDOING]).order_by("pk"):
        enqueue_run(found)


def _run_chunk(bulk_grant_id: UUID, size: int) -> list[str] | None:
    """Gives the next rows their results, and returns their statuses; None once there is nothing to do."""
    with transaction.atomic():
        # Another worker that runs the same grant waits here, and then finds other rows.
        found = lock_bulk_grant(bulk_grant_id=bulk_grant_id)
        if found.status not in (Status.RUNNING, Status.UNDOING):
            return None
        granting = found.status == Status.RUNNING
        status = RowStatus.PENDING if granting else RowStatus.GRANTED
        rows = list(found.entries.filter(status=status).order_by("line")[:size])
        results = (_grant if granting else _undo)(found, rows)
        _write(results)
        found.progress += len(rows)
        if len(rows) < size:
            found.status, found.finished_at = (Status.DONE if granting else Status.UNDONE), timezone.now()
            _audit_end(found, granting=granting)
        found.save(update_fields=["status", "progress", "finished_at"])
        return [status for status, _, _ in results.values()]


def _audit_end(found: BulkGrant, *, granting: bool) -> None:
    """Records what became of the rows: one audit entry for the whole list, whose hash names it."""
    results = found.entries.values("status").annotate(rows=Count("pk"), total_minor=Sum("amount_minor"))
    record_audit(
        action="bulk_grant.finished" if granting else "bulk_grant.undo_finished",
        object_type="bulk_grant",
        object_id=str(found.pk),
        by=actor_from(found.started_by if granting else found.undone_by),
        changes={
            "rows_hash": [None, found.rows_hash],
            **{
                f"{each['status']}_{name}": [None, each[name]]
                for each in results.order_by("status")
                for name in ("rows", "total_minor")
            },
        },
        reason=found.reason if granting else found.undone_by["reason"],
    )


def _grant(found: BulkGrant, rows: Sequence[BulkGrantRow]) -> Results:
    users = [row.user_id for row in rows]
    gone = set(
        Customer.objects.filter(user_id__in=users, merged_into__isnull=False).values_list("user_id", flat=True)
    )
    amounts = {row.user_id: row.amount_minor for row in rows if row.user_id not in gone}
    granted = grant_many(
        user_ids=amounts,
        amount_minor=amounts,
        name=found.name,
        why=found.reason,
        by=actor_from(found.started_by),
        credit_class=found.credit_class,
        expires_at=found.expires_at,
    )
    entries = {each.user_id: each.entry_id for each in granted}
    results: Results = {}
    for row in rows:
        entry = entries.get(row.user_id)
        why = "" if entry else Why.MERGED if row.user_id in gone else Why.HAD_IT
        results[row.pk] = (RowStatus.GRANTED if entry else RowStatus.SKIPPED, why, entry)
    return results


def _undo(found: BulkGrant, rows: Sequence[BulkGrantRow]) -> Results:
    if not rows:
        return {}
    by = actor_from(found.undone_by)
    entries = [row.entry_id for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(_UNDO, [entries, found.undone_by["reason"], by.user_id, by.role, by.channel, by.address])
        kept: dict[UUID, str | None] = dict(cursor.fetchall())
    return {
        row.pk: (RowStatus.KEPT, why, None)
        if row.entry_id and (why := kept[row.entry_id])
        else (RowStatus.UNDONE, "", None)
        for row in rows
    }


def _write(results: Results) -> None:
    if results:
        statuses, whys, entries = map(list, zip(*results.values(), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(_WRITE_RESULTS, [list(results), statuses, whys, entries])
