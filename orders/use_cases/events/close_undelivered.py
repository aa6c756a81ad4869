"""Closes events that staff give up: one of another system that was set aside, or one that the broker refused."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.locks import lock_dead_letter, lock_event
from orders.models import DeadLetter, OutboxEvent


def close_dead_letter(*, dead_letter_id: UUID, by: Actor, reason: str) -> DeadLetter:
    """Closes a dead letter without applying it. It can still be applied later.

    Raises: ReasonRequired, DeadLetter.DoesNotExist. Locks: DeadLetter. Transaction: owns.
    Idempotency: an applied or closed one stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        letter = lock_dead_letter(dead_letter_id=dead_letter_id)
        if letter.applied_at is None and letter.closed_at is None:
            letter.closed_at = timezone.now()
            letter.save(update_fields=["closed_at"])
            record_audit(
                action="dead_letter.closed",
                object_type="deadletter",
                object_id=str(letter.pk),
                by=by,
                changes={"reason": [letter.reason, letter.reason]},
                reason=reason,
            )
        return letter


def close_event(*, event_id: UUID, by: Actor, reason: str) -> OutboxEvent:
    """Closes an event that the broker has refused, without sending it. It can still be sent later.

    Raises: ReasonRequired, OutboxEvent.DoesNotExist. Locks: OutboxEvent. Transaction: owns.
    Idempotency: one that was not refused, or is closed, stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        event = lock_event(event_id=event_id)
        if event.refused_at is not None and event.closed_at is None:
            event.closed_at = timezone.now()
            event.save(update_fields=["closed_at"])
            record_audit(
                action="event.closed",
                object_type="event",
                object_id=str(event.id),
                by=by,
                changes={"refusal": [event.refusal, event.refusal]},
                reason=reason,
            )
        return event
