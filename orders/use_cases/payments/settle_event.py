"""Settles an event of the inbox from its stored payload; no call to Stripe.

A type has one function here; what it did is a word that the inbox keeps.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor, system_actor
from billing.models import Customer
from orders.jobs import enqueue
from orders.locks import lock_order
from orders.models import Break, Order, Payment, StripeEvent
from orders.stripe.gateway import reference_id
from orders.use_cases.payments.request_refund import book_refunded
from orders.use_cases.payments.settle_payment import (
    settle_debit_failed,
    settle_paid,
    settle_processing,
    settle_unpaid,
)
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.follow_subscription import (
    invoice_failed,
    invoice_paid,
    subscription_changed,
)

Object = Mapping[str, Any]

# The outcome of a charge's event that came before we knew which payment is whose; the sweeper has it settled again.
BEFORE_LINK = "before_link"


def settle_event(*, event_id: str) -> str:
    """Does what the event asks for, once.

    Returns: what was done. Raises: whatever our own side fails with; the job then tries again, which is safe.
    Locks: the event's row, then those of what it is about. Transaction: owns.
    """
    with transaction.atomic():
        # Races with a second job for the same event. The inbox comes before Order in the order of locks.
        event = StripeEvent.objects.select_for_update(no_key=True).get(id=event_id)
        if event.settled_at is not None:
            return event.outcome
        handler = _HANDLERS.get(event.type)
        event.outcome = handler(event.payload["data"]["object"], event) if handler else "ignored"
        event.settled_at = timezone.now()
        event.save(update_fields=["outcome", "settled_at"])
        enqueue("mirror_stripe_event", lock=f"mirror:{_mirrored_together(event)}", event_id=event.id)
        return event.outcome


def _mirrored_together(event: StripeEvent) -> str:
    """What events about the same customer share, so that their copies are written one after the other."""
    told = event.payload["data"]["object"]
    return reference_id(told.get("customer")) or str(told.get("id", event.id))


def _by(event: StripeEvent) -> Actor:
    return system_actor(channel="webhook", user_id=event.id)


def _session_completed(session: Object, event: StripeEvent) -> str:
    order_id = _order_of_session(session)
    if order_id is None:
        return _unknown(session)
    if session.get("payment_status") == "unpaid":
        return settle_processing(order_id=order_id)
    return settle_paid(order_id=order_id, session=session, by=_by(event))


def _session_async_paid(session: Object, event: StripeEvent) -> str:
    order_id = _order_of_session(session)
    return settle_paid(order_id=order_id, session=session, by=_by(event)) if order_id else _unknown(session)


def _session_async_failed(session: Object, event: StripeEvent) -> str:
    order_id = _order_of_session(session)
    return settle_debit_failed(order_id=order_id, session=session) if order_id else _unknown(session)


def _session_expired(session: Object, event: StripeEvent) -> str:
    order_id = _order_of_session(session)
    return settle_unpaid(order_id=order_id, failed=False) if order_id else _unknown(session)


def _charge_refunded(charge: Object, event: StripeEvent) -> str:
    order_id = _order_of_charge(charge)
    if order_id is None:
        return BEFORE_LINK if _is_of_customer(charge) else _unknown(charge)
    if str(charge.get("currency", "")).upper() != Payment.objects.get(order_id=order_id).currency:
        record_break(kind=Break.Kind.OTHER_CURRENCY, object_id=str(charge["id"]), order_id=order_id)
        return Break.Kind.OTHER_CURRENCY.value
    return book_refunded(
        order=lock_order(order_id=order_id),
        refunded_minor=int(charge.get("amount_refunded", 0)),
        why=f"refunded at Stripe: {charge['id']}",
        by=_by(event),
    )


def _dispute_created(dispute: Object, event: StripeEvent) -> str:
    record_break(
        kind=Break.Kind.DISPUTE,
        object_id=str(dispute["id"]),
        order_id=_order_of_charge(dispute),
        details={
            "amount": dispute.get("amount"),
            "currency": dispute.get("currency"),
            "reason": dispute.get("reason"),
        },
    )
    return "dispute"


def _order_of_session(session: Object) -> UUID | None:
    """The order that a session is for: by the session we stored, else by what we asked it to carry."""
    stored = Payment.objects.filter(session_id=session["id"]).values_list("order_id", flat=True).first()
    if stored is not None:
        return stored
    carried = _uuid((session.get("metadata") or {}).get("order_id") or session.get("client_reference_id"))
    return carried if carried and Payment.objects.filter(order_id=carried).exists() else None


def _order_of_charge(charge: Object) -> UUID | None:
    """The order that a charge or dispute is about: by what it carries, its payment, or its invoice."""
    carried = _uuid((charge.get("metadata") or {}).get("order_id"))
    if carried and Order.objects.filter(id=carried).exists():
        return carried
    for field, name in (("payment_intent_id", "payment_intent"), ("stripe_invoice_id", "invoice")):
        reference = charge.get(name)
        if isinstance(reference, Mapping):
            reference = reference.get("id")
        if reference:
            found = Payment.objects.filter(**{field: reference}).values_list("order_id", flat=True).first()
            if found is not None:
                return found
    return None


def _is_of_customer(charge: Object) -> bool:
    reference = reference_id(charge.get("customer"))
    return bool(reference) and Customer.objects.filter(stripe_customer_id=reference).exists()


def _unknown(thing: Object) -> str:
    record_break(kind=Break.Kind.UNKNOWN_OBJECT, object_id=str(thing["id"]), details={"object": thing.get("object")})
    return "unknown_object"


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def event_time(payload: Object) -> datetime:
    """When Stripe says that it happened."""
    return datetime.fromtimestamp(int(payload.get("created") or 0), tz=UTC)


_HANDLERS: dict[str, Callable[[Object, StripeEvent], str]] = {
    "checkout.session.completed": _session_completed,
    "checkout.session.async_payment_succeeded": _session_async_paid,
    "checkout.session.async_payment_failed": _session_async_failed,
    "checkout.session.expired": _session_expired,
    "charge.refunded": _charge_refunded,
    "charge.dispute.created": _dispute_created,
    "invoice.paid": invoice_paid,
    "invoice.payment_failed": invoice_failed,
    "customer.subscription.updated": subscription_changed,
    "customer.subscription.deleted": subscription_changed,
}


def receive_event(payload: Object) -> bool:
    """Stores a verified event, once, with the job that settles it; False for one that is known.

    Transaction: owns.
    """
    with transaction.atomic():
        _, created = StripeEvent.objects.get_or_create(
            id=str(payload["id"]),
            defaults={
                "type": str(payload["type"]),
                "payload": dict(payload),
                "occurred_at": event_time(payload),
            },
        )
        if created:
            enqueue("settle_stripe_event", event_id=str(payload["id"]))
        return created
