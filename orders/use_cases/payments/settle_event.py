"""Settles an event of the inbox from its stored payload, without a call to Stripe.

Each type of event has one handler. A handler returns its outcome, a word that the inbox keeps.
"""

import logging
from collections.abc import Callable
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.actor import Actor, system_actor
from billing.jobs import enqueue, enqueue_once
from billing.models import Customer, Invoice, Subscription
from orders.locks import lock_order
from orders.models import Break, Order, Payment, StripeEvent
from orders.models.payment import BEFORE_LINK, MIRROR_KEY
from orders.stripe.payloads import (
    Object,
    read_currency,
    read_event_object,
    read_event_time,
    read_order_id,
    read_reference,
)
from orders.use_cases.books.record_dispute_entries import record_dispute_entries
from orders.use_cases.books.record_month_refund import record_month_refund
from orders.use_cases.payments.mirror_events import enqueue_mirroring
from orders.use_cases.payments.request_refund import record_refunded_total
from orders.use_cases.payments.settle_payment import (
    settle_debit_failed,
    settle_paid,
    settle_processing,
    settle_unpaid,
)
from orders.use_cases.reconciliation.record_break import is_lost, record_break, record_dispute
from orders.use_cases.subscriptions.follow_subscription import (
    apply_failed_invoice,
    apply_paid_invoice_event,
    apply_subscription_event,
)

# An event that failed this often is set aside: it becomes a break, and no job or sweeper tries it again.
MAX_ATTEMPTS = 3
SET_ASIDE = "set_aside"

# Each may come with a fee or a payout in Stripe's balance.
BALANCE_EVENT_TYPES = (
    "balance.available",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.succeeded",
    "charge.updated",
    "payout.canceled",
    "payout.failed",
    "payout.paid",
)

logger = logging.getLogger(__name__)


def try_event(*, event_id: str) -> str:
    """Settles the event, and counts a failure. The last attempt sets the event aside, as a break for staff.

    Returns: the outcome. Raises: the failure, while attempts are left; any error of a database that is away, which
    does not count.
    """
    try:
        return settle_event(event_id=event_id)
    except Exception as error:
        if not connection.is_usable() or not _set_aside(event_id, error):
            raise
        logger.exception("event %s cannot be settled and is set aside", event_id)
        return SET_ASIDE


def _set_aside(event_id: str, error: Exception) -> bool:
    """Counts a failed attempt. Returns whether the event is set aside. Transaction: owns."""
    with transaction.atomic():
        StripeEvent.objects.filter(id=event_id, attempts__lt=MAX_ATTEMPTS).update(attempts=F("attempts") + 1)
        event = StripeEvent.objects.get(id=event_id)
        if event.attempts < MAX_ATTEMPTS:
            return False
        # The error's text may quote a key or a card. The log has it.
        record_break(
            kind=Break.Kind.EVENT_NOT_SETTLED,
            object_id=event.id,
            details={"type": event.type, "error": type(error).__name__, "attempts": str(event.attempts)},
        )
        return True


def settle_event(*, event_id: str, document: Object | None = None) -> str:
    """Applies the event, once.

    Args: document: the object that the event is about, where its payload does not hold it in full.
    Returns: the outcome. Raises: any failure of our own side; a retry of the job is safe.
    Locks: the event's row, then the rows of what it is about. Transaction: owns.
    """
    with transaction.atomic():
        # Races with a second job for the same event. The inbox is locked before Order.
        found = StripeEvent.objects.select_for_update(no_key=True).annotate(mirror_key=MIRROR_KEY)
        event = found.get(id=event_id)
        if event.settled_at is not None:
            return event.outcome
        handler = _HANDLERS.get(event.type)
        event.outcome = handler(document or read_event_object(event.payload), event) if handler else "ignored"
        event.settled_at = timezone.now()
        event.save(update_fields=["outcome", "settled_at"])
        if event.type in BALANCE_EVENT_TYPES:
            enqueue_once("mirror_balance", key="mirror_balance")
        enqueue_mirroring(event_id=event.id, key=event.mirror_key)
        return event.outcome


def receive_event(payload: Object) -> bool:
    """Stores a verified event, once, with the job that settles it; False for a duplicate.

    Transaction: owns.
    """
    with transaction.atomic():
        _, created = StripeEvent.objects.get_or_create(
            id=str(payload["id"]),
            defaults={
                "type": str(payload["type"]),
                "payload": dict(payload),
                "occurred_at": read_event_time(payload),
            },
        )
        if created:
            enqueue("settle_stripe_event", event_id=str(payload["id"]))
        return created


def _actor(event: StripeEvent) -> Actor:
    return system_actor(channel="webhook", user_id=event.id)


def _settle_completed_session(session: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_session(session)
    if order_id is None:
        return record_unknown(session)
    if session.get("payment_status") == "unpaid":
        return settle_processing(order_id=order_id)
    return settle_paid(order_id=order_id, session=session, by=_actor(event))


def _settle_succeeded_debit(session: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_session(session)
    return settle_paid(order_id=order_id, session=session, by=_actor(event)) if order_id else record_unknown(session)


def _settle_failed_debit(session: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_session(session)
    return settle_debit_failed(order_id=order_id, session=session) if order_id else record_unknown(session)


def _settle_expired_session(session: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_session(session)
    return settle_unpaid(order_id=order_id, failed=False) if order_id else record_unknown(session)


def _settle_refunded_charge(charge: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_charge(charge)
    if order_id is None:
        return _settle_unlinked_charge(charge, event)
    if read_currency(charge) != Payment.objects.get(order_id=order_id).currency:
        record_break(kind=Break.Kind.OTHER_CURRENCY, object_id=str(charge["id"]), order_id=order_id)
        return Break.Kind.OTHER_CURRENCY.value
    return record_refunded_total(
        order=lock_order(order_id=order_id),
        refunded_minor=int(charge.get("amount_refunded", 0)),
        reason=f"refunded at Stripe: {charge['id']}",
        by=_actor(event),
    )


def _settle_unlinked_charge(charge: Object, event: StripeEvent) -> str:
    """Settles a refund that names no order. A later month's charge names its invoice, or a job asks Stripe for it."""
    if month := find_month(invoice_id=read_reference(charge.get("invoice"))):
        return record_refunded_month(charge, month)
    if not _is_of_our_customer(charge):
        return record_unknown(charge)
    enqueue("find_charge_owner", event_id=event.id)
    return BEFORE_LINK


def find_month(*, invoice_id: str) -> Invoice | None:
    """Finds a month that Stripe charged by itself, by Stripe's id of its invoice."""
    return Invoice.objects.filter(stripe_invoice_id=invoice_id).first() if invoice_id else None


def record_refunded_month(charge: Object, month: Invoice) -> str:
    """Posts the refund of a later month, and records it as a break: staff decide if the subscription ends.

    Locks: Order. Transaction: joins.
    """
    record_month_refund(month=month, refunded_minor=int(charge.get("amount_refunded") or 0))
    found = record_break(
        kind=Break.Kind.RENEWAL_REFUNDED,
        object_id=str(charge["id"]),
        order_id=Subscription.objects.values_list("order_id", flat=True).get(id=month.subscription_id),
    )
    found.details = {"refunded": charge.get("amount_refunded"), "invoice": month.stripe_invoice_id}
    found.save(update_fields=["details"])
    return Break.Kind.RENEWAL_REFUNDED.value


def _record_dispute(dispute: Object, event: StripeEvent) -> str:
    order_id = _find_order_of_charge(dispute)
    if order_id is not None:
        record_dispute_entries(dispute, order_id=order_id, by=_actor(event))
    record_dispute(dispute, order_id=order_id)
    return "dispute"


def _record_closed_dispute(dispute: Object, event: StripeEvent) -> str:
    """Notes a lost dispute on its break, and opens the break again if staff have closed it: the money is gone."""
    order_id = _find_order_of_charge(dispute)
    if order_id is not None:
        record_dispute_entries(dispute, order_id=order_id, by=_actor(event))
    if not is_lost(dispute):
        return "dispute_closed"
    record_dispute(dispute, order_id=order_id)
    return "dispute_lost"


def _find_order_of_session(session: Object) -> UUID | None:
    """Finds the order that a session is for: by the stored session id, else by the order id that it carries."""
    stored = Payment.objects.filter(session_id=session["id"]).values_list("order_id", flat=True).first()
    if stored is not None:
        return stored
    carried = read_order_id(session)
    return carried if carried and Payment.objects.filter(order_id=carried).exists() else None


def _find_order_of_charge(charge: Object) -> UUID | None:
    """Finds the order that a charge or dispute is about: by the order id it carries, its payment, or its invoice."""
    carried = read_order_id(charge)
    if carried and Order.objects.filter(id=carried).exists():
        return carried
    for field, name in (("payment_intent_id", "payment_intent"), ("stripe_invoice_id", "invoice")):
        if reference := read_reference(charge.get(name)):
            found = Payment.objects.filter(**{field: reference}).values_list("order_id", flat=True).first()
            if found is not None:
                return found
    return None


def _is_of_our_customer(charge: Object) -> bool:
    customer_id = read_reference(charge.get("customer"))
    return bool(customer_id) and Customer.objects.filter(stripe_customer_id=customer_id).exists()


def record_unknown(document: Object) -> str:
    """Records an object that belongs to none of our orders as a break. Transaction: joins."""
    record_break(
        kind=Break.Kind.UNKNOWN_OBJECT,
        object_id=str(document["id"]),
        details={"object": document.get("object")},
    )
    return Break.Kind.UNKNOWN_OBJECT.value


_HANDLERS: dict[str, Callable[[Object, StripeEvent], str]] = {
    "checkout.session.completed": _settle_completed_session,
    "checkout.session.async_payment_succeeded": _settle_succeeded_debit,
    "checkout.session.async_payment_failed": _settle_failed_debit,
    "checkout.session.expired": _settle_expired_session,
    "charge.refunded": _settle_refunded_charge,
    "charge.dispute.created": _record_dispute,
    "charge.dispute.closed": _record_closed_dispute,
    "invoice.paid": apply_paid_invoice_event,
    "invoice.payment_failed": apply_failed_invoice,
    "customer.subscription.updated": apply_subscription_event,
    "customer.subscription.deleted": apply_subscription_event,
}
EVENT_TYPES = tuple(_HANDLERS)
