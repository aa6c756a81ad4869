"""Keeps what was set aside of other systems' events for staff, and applies it again when they ask for it."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import DomainError, ReasonRequired
from billing.jobs import enqueue_once
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.locks import lock_dead_letter
from orders.models import DeadLetter
from orders.models.dead_letter import MAX_REASON_LENGTH
from orders.use_cases.events.receive_events import NeverApplicable, ParseReport, apply_event


def request_application(*, dead_letter_id: UUID, by: Actor, reason: str) -> None:
    """Lets the worker apply a dead letter again.

    Raises: ReasonRequired, DeadLetter.DoesNotExist. Locks: DeadLetter. Transaction: owns.
    Idempotency: an applied one stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        letter = lock_dead_letter(dead_letter_id=dead_letter_id)
        if letter.applied_at is None:
            enqueue_once("apply_dead_letter", key=f"dead-letter:{letter.pk}", dead_letter_id=str(letter.pk))
            record_audit(
                action="dead_letter.retried",
                object_type="deadletter",
                object_id=str(letter.pk),
                by=by,
                reason=reason,
            )


def apply_dead_letter(*, dead_letter_id: UUID, parse_report: ParseReport) -> bool:
    """Applies a dead letter, and returns whether it could be. Its reason says why not.

    Transaction: owns, after those of the event. Idempotency: a second application changes nothing.
    """
    letter = DeadLetter.objects.get(pk=dead_letter_id)
    try:
        apply_event(bytes(letter.body), parse_report=parse_report)
    except (NeverApplicable, DomainError) as error:
        reason = error.english if isinstance(error, DomainError) else str(error)
        DeadLetter.objects.filter(pk=letter.pk).update(reason=reason[:MAX_REASON_LENGTH])
        return False
    DeadLetter.objects.filter(pk=letter.pk, applied_at=None).update(applied_at=timezone.now(), closed_at=None)
    return True
