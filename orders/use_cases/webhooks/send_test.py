import asyncio
from uuid import UUID

import simplejson
from django.utils import timezone

from billing.actor import Actor
from billing.local_time import utc_text
from billing.models.keys import uuid7
from billing.use_cases.outside_calls import check_outside_calls
from billing.use_cases.record_audit import record_audit
from orders.errors import WebhookEndpointNotFound, WebhookEndpointRetired
from orders.models import WebhookEndpoint
from orders.subscribers import Answer
from orders.use_cases.organizations.provision_organization import SOURCE

from .deliver_webhooks import send_message

TEST_TYPE = "webhook.test"


def send_test(*, endpoint_id: UUID, by: Actor, reason: str = "") -> Answer:
    """Sends a signed test message to an endpoint at once, paused ones too, and returns its answer.

    Raises: WebhookEndpointNotFound, WebhookEndpointRetired, OutsideCallsHeld. It calls the subscriber, so call it
    outside a transaction.
    """
    check_outside_calls()
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise WebhookEndpointNotFound
    if endpoint.status == WebhookEndpoint.Status.RETIRED:
        raise WebhookEndpointRetired
    message_id = str(uuid7())
    envelope = {
        "id": message_id,
        "type": TEST_TYPE,
        "source": SOURCE,
        "timestamp": utc_text(timezone.now()),
        "tenant_id": None,
        "data": {"endpoint_id": str(endpoint.pk)},
        "metadata": {},
    }
    answer = asyncio.run(send_message(endpoint, message_id=message_id, body=simplejson.dumps(envelope).encode()))
    record_audit(
        action="webhook.tested",
        object_type="webhookendpoint",
        object_id=str(endpoint.pk),
        by=by,
        changes={"status": [None, answer.status], "error": [None, answer.error]},
        reason=reason,
    )
    return answer
