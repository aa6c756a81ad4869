from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.errors import WebhookDeliveryNotFound
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery


def close_failed(*, endpoint_id: UUID, delivery_id: UUID, by: Actor, reason: str) -> int:
    """Closes a dead letter without sending it, also one of a retired endpoint. Returns whether it did: 1 or 0.

    Raises: ReasonRequired, WebhookEndpointNotFound, WebhookDeliveryNotFound.
    Locks: WebhookEndpoint. Transaction: owns. Idempotency: one that has not failed, or is closed, stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        deliveries = WebhookDelivery.objects.filter(endpoint=endpoint, pk=delivery_id)
        if not deliveries.exists():
            raise WebhookDeliveryNotFound
        dead = deliveries.filter(status=WebhookDelivery.Status.FAILED, closed_at=None)
        number = dead.update(closed_at=timezone.now())
        if number:
            record_audit(
                action="webhook.closed",
                object_type="webhookdelivery",
                object_id=str(delivery_id),
                by=by,
                changes={"failed": [number, 0]},
                reason=reason,
            )
    return number
