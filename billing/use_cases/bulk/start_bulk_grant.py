"""Starts a bulk grant, and its undo. The worker does the rest (run_bulk_grant.py)."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import BulkGrantStateRefuses, InvalidBatch, ReasonRequired
from billing.jobs import enqueue_once
from billing.models import BulkGrant
from billing.text import has_visible_text
from billing.use_cases.bulk.draft_bulk_grant import lock_bulk_grant
from billing.use_cases.record_audit import record_audit

Status = BulkGrant.Status


def start_bulk_grant(*, bulk_grant_id: UUID, by: Actor, reason: str) -> BulkGrant:
    """Lets the worker grant the credit of a draft.

    Raises: BulkGrantNotFound, BulkGrantStateRefuses, InvalidBatch where the credit has expired already,
    ReasonRequired. Locks: BulkGrant. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        found = lock_bulk_grant(bulk_grant_id=bulk_grant_id)
        if found.status != Status.DRAFT:
            raise BulkGrantStateRefuses
        now = timezone.now()
        if found.expires_at is not None and found.expires_at <= now:
            raise InvalidBatch(fields={"expires_at": ["the credit would have expired already"]})
        found.started_by, found.started_at = _stored(by), now
        return _start(found, Status.RUNNING, done="started", by=by, reason=reason)


def undo_bulk_grant(*, bulk_grant_id: UUID, by: Actor, reason: str) -> BulkGrant:
    """Lets the worker take back the credit of a bulk grant from all who still have all of it.

    Raises: BulkGrantNotFound, BulkGrantStateRefuses, ReasonRequired. Locks: BulkGrant. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        found = lock_bulk_grant(bulk_grant_id=bulk_grant_id)
        if found.status != Status.DONE:
            raise BulkGrantStateRefuses
        found.undone_by = {**_stored(by), "reason": reason}
        return _start(found, Status.UNDOING, done="undone", by=by, reason=reason)


def enqueue_run(found: BulkGrant) -> None:
    """Adds the job that carries on with a bulk grant, unless one is waiting."""
    enqueue_once("run_bulk_grant", key=f"bulk-grant:{found.pk}", bulk_grant_id=str(found.pk))


def actor_from(stored: dict[str, Any]) -> Actor:
    """Returns the actor that a bulk grant stores."""
    names = ("user_id", "role", "channel", "address")
    return Actor(**{name: stored[name] for name in names})


def _stored(by: Actor) -> dict[str, str | None]:
    return {"user_id": by.user_id, "role": by.role, "channel": by.channel, "address": by.address}


def _start(found: BulkGrant, status: BulkGrant.Status, *, done: str, by: Actor, reason: str) -> BulkGrant:
    before, found.status = found.status, status
    found.progress, found.finished_at = 0, None
    found.save()
    enqueue_run(found)
    record_audit(
        action=f"bulk_grant.{done}",
        object_type="bulk_grant",
        object_id=str(found.pk),
        by=by,
        changes={"status": [before, status], "rows": [None, found.rows], "total_minor": [None, found.total_minor]},
        reason=reason,
    )
    return found
