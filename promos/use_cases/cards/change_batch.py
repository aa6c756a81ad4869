"""The acts on a batch. Each takes the batch from one state to another, with a reason, and is audited."""

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.jobs import enqueue_once
from billing.text import has_visible_text
from billing.use_cases.proposals.drafts import withdraw_proposals
from billing.use_cases.record_audit import record_audit
from promos.errors import BatchNeedsAnotherApprover, BatchStateRefuses
from promos.locks import lock_batch
from promos.models import Batch
from promos.use_cases.cards.printer_file import delete_content

Status = Batch.Status


def record_approval(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Records that a draft is approved. Only the approval of its proposal calls this.

    Raises: BatchNeedsAnotherApprover, BatchStateRefuses, ReasonRequired. Locks: as `release_batch`.
    """
    if by.user_id == batch.created_by:
        raise BatchNeedsAnotherApprover
    return _change(batch, Status.APPROVED, done="approved", by=by, reason=reason, approved_by=by.user_id)


def start_generation(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Lets the worker generate the cards of an approved batch. A second start continues the first.

    Raises: BatchStateRefuses, ReasonRequired. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        current = lock_batch(batch_id=batch.id)
        if current.status != Status.APPROVED:
            raise BatchStateRefuses
        enqueue_once("generate_cards", key=f"batch:{batch.id}", batch_id=str(batch.id))
        _audit(current, done="generation_started", by=by, reason=reason)
        return current


def release_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Releases the codes of a generated batch: from now on they can be exported and printed.

    Raises: BatchStateRefuses, ReasonRequired. Locks: the advisory lock of the batch's terms (exclusive), Batch.
    Transaction: owns. Idempotency: a batch that is in the state already is not changed.
    """
    return _change(batch, Status.RELEASED, done="released", by=by, reason=reason)


def activate_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Lets customers redeem the cards of a released batch, or of a locked one again. Otherwise as `release_batch`."""
    with transaction.atomic():
        activated = _change(batch, Status.ACTIVE, done="activated", by=by, reason=reason)
        # The printer has had its file.
        delete_content(activated)
        return activated


def stop_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Locks a batch for a time. When this returns, no redemption of its cards is in flight.

    Otherwise as `release_batch`.
    """
    return _change(batch, Status.LOCKED, done="locked", by=by, reason=reason)


def close_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Ends a batch that was active for good. Customers keep what its cards granted. Otherwise as `release_batch`."""
    return _change(batch, Status.CLOSED, done="closed", by=by, reason=reason)


def void_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Voids a batch for good, in any state but closed. Otherwise as `close_batch`."""
    return _change(batch, Status.VOID, done="voided", by=by, reason=reason)


def _change(batch: Batch, status: Batch.Status, *, done: str, by: Actor, reason: str, approved_by: str = "") -> Batch:
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        current = lock_batch(batch_id=batch.id)
        if current.status == status:
            return current
        before = Status(current.status)
        if status not in Batch.TRANSITIONS[before]:
            raise BatchStateRefuses
        current.status, current.updated_at = status, timezone.now()
        current.approved_by = approved_by or current.approved_by
        current.save(update_fields=["status", "approved_by", "updated_at"])
        if status in (Status.CLOSED, Status.VOID):
            withdraw_proposals(model="promos_batch", key=str(current.pk), by=by, reason=reason)
        _audit(current, done=done, by=by, reason=reason, before=before)
        return current


def _audit(batch: Batch, *, done: str, by: Actor, reason: str, before: str = "") -> None:
    changes = {"status": [before, batch.status]} if before else {}
    record_audit(
        action=f"batch.{done}",
        object_type="batch",
        object_id=batch.promo_code.code,
        by=by,
        changes=changes,
        reason=reason,
    )
