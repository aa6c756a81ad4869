from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from promos.locks import lock_alert
from promos.models import Alert


def close_alert(*, alert_id: UUID, why: str, by: Actor) -> Alert:
    """Closes an alert with a reason. It opens again only by what happens afterwards.

    Raises: ReasonRequired, Alert.DoesNotExist. Locks: Alert. Transaction: owns.
    Idempotency: a closed alert stays as it is.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        alert = lock_alert(alert_id=alert_id)
        if alert.closed_at is None:
            alert.closed_at, alert.closed_by = timezone.now(), by.user_id
            alert.save(update_fields=["closed_at", "closed_by"])
            record_audit(
                action="alert.closed",
                object_type="alert",
                object_id=str(alert.id),
                by=by,
                changes={"kind": [alert.kind, alert.kind], "subject": [alert.subject, alert.subject]},
                reason=why,
            )
        return alert
