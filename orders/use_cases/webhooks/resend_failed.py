from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.errors import WebhookDeliveryNotFound, WebhookEndpointRetired
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery, WebhookEndpoint


def resend_failed(*, endpoint_id: UUID, delivery_id: UUID | None = None, by: Actor, reason: str) -> int:
    """Queues the dead letters of an endpoint again, with all their attempts, and returns how many there were.

    Args: delivery_id: the only one, also if it is closed; None for all that are not closed.
    Raises: ReasonRequired, WebhookEndpointNotFound, WebhookEndpointRetired, WebhookDeliveryNotFound.
    Locks: WebhookEndpoint. Transaction: owns. Idempotency: what waits, or was accepted, stays as it is.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        if endpoint.status == WebhookEndpoint.Status.RETIRED:
            raise WebhookEndpointRetired
        deliveries = WebhookDelivery.objects.filter(endpoint=endpoint)
        if delivery_id is None:
            deliveries = deliveries.filter(closed_at=None)
        else:
            deliveries = deliveries.filter(pk=delivery_id)
            if not deliveries.exists():
                raise WebhookDeliveryNotFound
        dead = deliveries.filter(status=WebhookDelivery.Status.FAILED)
        number = dead.update(
            status=WebhookDelivery.Status.PENDING, attempts=0, next_attempt_at=timezone.now(), closed_at=None
        )
        if number:
            record_audit(
                action="webhook.resent",
                object_type="webhookendpoint" if delivery_id is None else "webhookdelivery",
                object_id=str(delivery_id or endpoint.pk),
                by=by,
                changes={"failed": [number, 0]},
                reason=reason,
            )
    return number
