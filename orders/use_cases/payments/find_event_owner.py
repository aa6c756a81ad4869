"""Finds what an event is about by asking Stripe, where its payload does not say it. The rest is settled as usual."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from orders.models import Order, Payment, StripeEvent
from orders.models.payment import BEFORE_COMPLETION, BEFORE_LINK
from orders.stripe import gateway
from orders.stripe.payloads import (
    Object,
    read_event_object,
    read_invoice_order_id,
    read_reference,
)
from orders.use_cases.payments.settle_event import (
    find_month,
    record_refunded_month,
    record_unknown,
    settle_event,
)
from orders.use_cases.subscriptions.follow_subscription import RETRIEVING_LINES, record_lost_invoice

# An event whose order or month is still unknown after this long becomes a break.
MAX_WAIT_FOR_OWNER = timedelta(hours=1)
# A paid invoice whose order is still not complete after this long becomes a break.
MAX_WAIT_FOR_COMPLETION = timedelta(days=1)
# The outcome of an invoice whose order was paid and had no effect: it was refunded.
WITHOUT_EFFECT = "without_effect"


def find_charge_owner(*, event_id: str, is_last: bool = False) -> str:
    """Finds the invoice that a refunded charge has paid, and settles the event as that invoice's.

    Args: is_last: True where a charge whose owner is still not found becomes a break.
    Returns: the outcome. Raises: gateway.Unanswered, gateway.NotConfigured. Transaction: owns, after the call.
    Idempotency: by the event's outcome.
    """
    event = StripeEvent.objects.get(id=event_id)
    charge = read_event_object(event.payload)
    intent = read_reference(charge.get("payment_intent"))
    if event.outcome != BEFORE_LINK:
        return event.outcome
    invoice_id = _find_invoice_id(intent)
    with transaction.atomic():
        # Races with the sweeper.
        event = StripeEvent.objects.select_for_update(no_key=True).get(id=event_id)
        if event.outcome != BEFORE_LINK:
            return event.outcome
        if invoice_id and _link_payment(invoice_id, intent):
            event.settled_at = None
            event.save(update_fields=["settled_at"])
            return settle_event(event_id=event_id)
        if month := find_month(invoice_id=invoice_id):
            event.outcome = record_refunded_month(charge, month)
        elif is_last:
            event.outcome = record_unknown(charge)
        event.save(update_fields=["outcome"])
        return event.outcome


def settle_long_invoice(*, event_id: str) -> str:
    """Settles an invoice's event with all lines of the invoice, of which the event holds the first ones only.

    An invoice that Stripe does not know any more becomes a break: it was paid, and its month is not known.

    Returns: the outcome. Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured; the job retries.
    Transaction: owns, after the call. Idempotency: by the event's outcome.
    """
    event = StripeEvent.objects.get(id=event_id)
    if event.outcome != RETRIEVING_LINES:
        return event.outcome
    try:
        invoice = with_all_lines(read_event_object(event.payload))
    except gateway.ObjectUnknown:
        return _close_unknown_invoice(event_id)
    with transaction.atomic():
        StripeEvent.objects.filter(id=event_id, outcome=RETRIEVING_LINES).update(settled_at=None)
        return settle_event(event_id=event_id, document=invoice)


def _close_unknown_invoice(event_id: str) -> str:
    with transaction.atomic():
        # Races with a second job for the same event.
        event = StripeEvent.objects.select_for_update(no_key=True).get(id=event_id)
        if event.outcome == RETRIEVING_LINES:
            event.outcome = record_lost_invoice(read_event_object(event.payload))
            event.save(update_fields=["outcome"])
        return event.outcome


def with_all_lines(invoice: Object) -> Object:
    """Retrieves all lines of an invoice. Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured."""
    lines = gateway.list_invoice_lines(str(invoice["id"]))
    return {**invoice, "lines": {"data": lines, "has_more": False}}


def close_early_event(*, event_id: str) -> str:
    """Ends the wait of an event whose order did not complete.

    Money that it reports is a break, unless the order's payment is recorded. Any other event has no effect: what it
    says of a subscription that serves no order is compared with Stripe.

    Returns: the outcome. Transaction: owns.
    """
    with transaction.atomic():
        # Races with the order's completion, which settles the event again.
        event = StripeEvent.objects.select_for_update(no_key=True).get(id=event_id)
        if event.outcome != BEFORE_COMPLETION or event.settled_at is None:
            return event.outcome
        invoice = read_event_object(event.payload)
        order_id = read_invoice_order_id(invoice)
        was_paid = Q(payment__status=Payment.Status.PAID)
        is_recorded = order_id is not None and Order.objects.filter(was_paid, id=order_id).exists()
        has_no_effect = event.type != "invoice.paid" or is_recorded
        event.outcome = WITHOUT_EFFECT if has_no_effect else record_unknown(invoice)
        event.save(update_fields=["outcome"])
        return event.outcome


def _find_invoice_id(intent: str) -> str:
    try:
        invoice = gateway.find_invoice(payment_intent_id=intent) if intent else None
    except gateway.Refused:
        return ""
    return str(invoice["id"]) if invoice is not None else ""


def _link_payment(invoice_id: str, intent: str) -> bool:
    """Stores the payment intent of an order's first invoice; False where no order's payment names the invoice."""
    found = Payment.objects.filter(stripe_invoice_id=invoice_id)
    found.filter(payment_intent_id="").update(payment_intent_id=intent)
    return found.filter(payment_intent_id=intent).exists()
