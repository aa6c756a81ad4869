"""Deliver Stripe's events to the webhook: through the real view, with a real signature."""

import json
import threading
from typing import Any

from django.test import Client

from config.devtools.stripe_sandbox.signatures import Manner, payload_of, signature_of
from orders.models import StripeEvent
from tests.payments.stripe_server import WEBHOOK_SECRET, Object, Stripe

WEBHOOK = "/api/billing/webhook"
# The types that an operator subscribes the webhook to at Stripe.
ENDPOINT_TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
)
_clients = threading.local()


def post_event(event: Object, *, secret: str = WEBHOOK_SECRET, client: Client | None = None, **manner: Any) -> Any:
    """Deliver one event as Stripe does, and return the response. `manner` is a `Manner` of the sandbox."""
    how = Manner(**manner)
    payload = payload_of(event, how)
    signature = signature_of(payload, secret, how)
    headers = {} if signature is None else {"Stripe-Signature": signature}
    return (client or _own_client()).post(WEBHOOK, payload, content_type="application/json", headers=headers)


def _own_client() -> Client:
    """One client for each thread, since making a client costs more than a request."""
    if not hasattr(_clients, "client"):
        _clients.client = Client()
    made: Client = _clients.client
    return made


def undelivered_events(stripe: Stripe) -> list[Object]:
    """The events that the service has not received, oldest first."""
    known = set(StripeEvent.objects.values_list("id", flat=True))
    return [event for event in stripe.events() if event["id"] not in known]


def deliver_events(stripe: Stripe, *types: str) -> list[str]:
    """Deliver the undelivered events of these types, by default of all `ENDPOINT_TYPES`; return their ids."""
    events = [each for each in undelivered_events(stripe) if each["type"] in (types or ENDPOINT_TYPES)]
    for event in events:
        answer = post_event(event)
        assert answer.status_code == 200, answer.content
        assert json.loads(answer.content) == {"received": True, "duplicate": False}
    return [event["id"] for event in events]


def newest_event(stripe: Stripe, kind: str) -> Object:
    """The newest event of a type."""
    return [event for event in stripe.events() if event["type"] == kind][-1]
