"""Finishes what a crash or a silent Stripe left open, by asking Stripe under the same keys; nothing is guessed.

Each step is safe to repeat and to run beside a web process: what it finds decided by the time it has the lock, it
leaves alone.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from billing.actor import Actor, system_actor
from orders.models import Order, Payment, Refund, StripeEvent
from orders.stripe import gateway
from orders.use_cases.payments.open_payment import find_session, undo_checkout
from orders.use_cases.payments.request_refund import send_refund
from orders.use_cases.payments.settle_event import BEFORE_LINK, settle_event
from orders.use_cases.payments.settle_payment import settle_overdue, settle_session

AT_ONCE = 100
# An event's own job settles it; the sweeper looks after those whose job was lost.
EVENT_PATIENCE = timedelta(minutes=2)
DEBIT_PAUSE = timedelta(hours=1)
LINK_PATIENCE = timedelta(days=7)


@dataclass(slots=True, kw_only=True)
class Swept:
    """Ids by what was done with them; `left` are those that Stripe did not answer for."""

    undone: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def sweep_payments(*, now: datetime | None = None) -> Swept:
    """One round over unanswered requests, stray sessions, sessions past their end, lost events and refunds.

    Transaction: owns, one a payment; no call to Stripe inside any.
    """
    moment = now or timezone.now()
    by = system_actor(channel="worker", user_id="sweeper")
    swept = Swept()
    unanswered = Payment.objects.filter(status=Payment.Status.REQUESTED, leased_until__lte=moment)
    for order_id in _ids(unanswered):
        _undo(order_id, swept, by=by)
    for order_id in _ids(Payment.objects.filter(needs_stripe_cleanup=True)):
        _close_stray(order_id, swept, by=by, now=moment)
    for order_id in _ids(Payment.objects.filter(status=Payment.Status.OPEN, expires_at__lte=moment)):
        _look_at(order_id, swept, by=by)
    debits = Payment.objects.filter(
        status=Payment.Status.PROCESSING, expires_at__lte=moment, leased_until__lte=moment
    )
    for order_id in _ids(debits):
        # A bank takes days: one is asked about now and then, and holds up nobody else's round.
        Payment.objects.filter(order_id=order_id).update(leased_until=moment + DEBIT_PAUSE)
        _look_at(order_id, swept, by=by)
    for event_id in (
        StripeEvent.objects.filter(settled_at=None, received_at__lte=moment - EVENT_PATIENCE)
        .order_by("received_at")
        .values_list("id", flat=True)[:AT_ONCE]
    ):
        settle_event(event_id=event_id)
        swept.settled.append(event_id)
    for event_id in _linked_since(moment):
        StripeEvent.objects.filter(id=event_id).update(settled_at=None)
        settle_event(event_id=event_id)
        swept.settled.append(event_id)
    for refund_id in Refund.objects.filter(
        status=Refund.Status.REQUESTED, requested_at__lte=moment - EVENT_PATIENCE
    ).values_list("id", flat=True)[:AT_ONCE]:
        try:
            send_refund(refund_id=refund_id, by=by)
        except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
            swept.left.append(str(refund_id))
    return swept


def _linked_since(moment: datetime) -> list[str]:
    """Events of charges that waited to be known whose, and are now."""
    waiting = StripeEvent.objects.filter(outcome=BEFORE_LINK, received_at__gte=moment - LINK_PATIENCE)
    intents = {event.id: event.payload["data"]["object"].get("payment_intent") for event in waiting[:AT_ONCE]}
    known = Payment.objects.filter(payment_intent_id__in=[intent for intent in intents.values() if intent])
    linked = set(known.values_list("payment_intent_id", flat=True))
    return [event_id for event_id, intent in intents.items() if intent in linked]


def _ids(payments: QuerySet[Payment, Payment]) -> list[UUID]:
    return list(payments.order_by("requested_at").values_list("order_id", flat=True)[:AT_ONCE])


def _undo(order_id: UUID, swept: Swept, *, by: Actor) -> None:
    """Nobody was told of this checkout: whatever Stripe has of it is closed, and all is given back."""
    undo_checkout(order_id=order_id, by=by, why="the checkout was interrupted")
    swept.undone.append(str(order_id))


def _close_stray(order_id: UUID, swept: Swept, *, by: Actor, now: datetime) -> None:
    """Asks Stripe under the order's keys whether there is a session, and closes it."""
    order = Order.objects.select_related("payment", "customer").get(id=order_id)
    try:
        session = find_session(order, now=now)
        if session is not None and session.status == "open":
            session = gateway.expire_session(session.id)
    except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
        swept.left.append(str(order_id))
        return
    Payment.objects.filter(order_id=order_id, needs_stripe_cleanup=True).update(
        needs_stripe_cleanup=False, session_id=session.id if session else None
    )
    if session is not None and session.status == "complete":
        # Paid all the same: a payment after the release, whether its webhook comes or not.
        settle_session(order_id=order_id, session=session, by=by)
    swept.closed.append(str(order_id))


def _look_at(order_id: UUID, swept: Swept, *, by: Actor) -> None:
    """A session past its end: what it became is asked of Stripe, never read off a clock."""
    payment = Payment.objects.get(order_id=order_id)
    try:
        session = gateway.retrieve_session(payment.session_id or "")
        done = settle_overdue(order_id=order_id, session=session, by=by)
    except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
        swept.left.append(str(order_id))
        return
    if done != "unchanged":
        swept.settled.append(str(order_id))
