from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.locks import lock_event
from orders.models import OutboxEvent


def resend_event(*, event_id: UUID, why: str, by: Actor) -> OutboxEvent:
    """Lets an event that the broker has refused be delivered again, before all newer ones.

    Raises: ReasonRequired, OutboxEvent.DoesNotExist. Locks: OutboxEvent. Transaction: owns.
    Idempotency: an event that waits, or was delivered, stays as it is.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        event = lock_event(event_id=event_id)
        if event.refused_at is not None:
            refusal, event.refused_at, event.refusal, event.closed_at = event.refusal, None, "", None
            event.save(update_fields=["refused_at", "refusal", "closed_at"])
            record_audit(
                action="event.resent",
                object_type="event",
                object_id=str(event.id),
                by=by,
                changes={"refusal": [refusal, ""]},
                reason=why,
            )
        return event
