"""Finishes what a crash or an unanswered call left open, by asking Stripe with the same idempotency keys.

Nothing is guessed. Each step may be repeated and may run beside a web process: it takes the lock, reads again, and
leaves alone what was decided before.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from billing.actor import Actor, system_actor
from orders.models import Break, Order, Payment, Refund, StripeEvent
from orders.stripe import gateway
from orders.stripe.payloads import read_event_object, read_reference
from orders.use_cases.payments.open_payment import find_session, undo_checkout
from orders.use_cases.payments.request_refund import send_refund
from orders.use_cases.payments.settle_event import BEFORE_LINK, settle_event
from orders.use_cases.payments.settle_payment import settle_session, settle_session_and_debit, settle_unpaid
from orders.use_cases.reconciliation.record_break import record_break

# Of each kind, in one round.
MAX_ITEMS = 100
# A job settles an event or sends a refund at once. The sweeper takes those that are older: their job was lost.
JOB_GRACE = timedelta(minutes=2)
DEBIT_CHECK_INTERVAL = timedelta(hours=1)
# A charge's event is settled again when its payment is linked, unless the event is older than this.
MAX_WAIT_FOR_LINK = timedelta(days=7)


@dataclass(slots=True, kw_only=True)
class Swept:
    """The ids that a round handled, by outcome; `left` are those that Stripe did not answer for."""

    undone: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def sweep_payments(*, now: datetime | None = None) -> Swept:
    """Runs one round over unanswered requests, sessions to clean up, overdue sessions, lost events and lost refunds.

    Transaction: owns, one for each payment; no call to Stripe inside any.
    """
    moment = now or timezone.now()
    by = system_actor(channel="worker", user_id="sweeper")
    swept = Swept()
    unanswered = Payment.objects.filter(status=Payment.Status.REQUESTED, leased_until__lte=moment)
    for order_id in _oldest(unanswered):
        _undo_unanswered(order_id, swept, by=by)
    for order_id in _oldest(Payment.objects.filter(needs_stripe_cleanup=True)):
        _clean_up_session(order_id, swept, by=by, now=moment)
    for order_id in _oldest(Payment.objects.filter(status=Payment.Status.OPEN, expires_at__lte=moment)):
        _settle_overdue(order_id, swept, by=by)
    debits = Payment.objects.filter(
        status=Payment.Status.PROCESSING, expires_at__lte=moment, leased_until__lte=moment
    )
    for order_id in _oldest(debits):
        # A bank takes days. The interval keeps many debits from filling every round.
        Payment.objects.filter(order_id=order_id).update(leased_until=moment + DEBIT_CHECK_INTERVAL)
        _settle_overdue(order_id, swept, by=by)
    _settle_lost_events(swept, now=moment)
    _settle_linked_events(swept, now=moment)
    _send_lost_refunds(swept, by=by, now=moment)
    return swept


def _oldest(payments: QuerySet[Payment, Payment]) -> list[UUID]:
    return list(payments.order_by("requested_at").values_list("order_id", flat=True)[:MAX_ITEMS])


def _undo_unanswered(order_id: UUID, swept: Swept, *, by: Actor) -> None:
    """Undoes a checkout that was interrupted. Its customer never got an answer; the session is cleaned up next."""
    undo_checkout(order_id=order_id, by=by, why="the checkout was interrupted")
    swept.undone.append(str(order_id))


def _clean_up_session(order_id: UUID, swept: Swept, *, by: Actor, now: datetime) -> None:
    """Finds the session of a released order at Stripe, by the order's idempotency keys, and closes it."""
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
        # It was paid after the release. It is settled here, whether or not its webhook arrives.
        settle_session(order_id=order_id, session=session, by=by)
    swept.closed.append(str(order_id))


def _settle_overdue(order_id: UUID, swept: Swept, *, by: Actor) -> None:
    """Settles an order whose session is past its end. Stripe says how it ended; the clock does not decide it.

    A session that Stripe does not know is of another account. It cannot be paid any more after its end, so the order
    expires, and staff see a break. Where a bank may still pay it, the order waits for staff.
    """
    payment = Payment.objects.get(order_id=order_id)
    try:
        session = gateway.retrieve_session(payment.session_id or "")
        outcome = settle_session_and_debit(order_id=order_id, session=session, by=by)
    except gateway.ObjectUnknown:
        is_open = payment.status == Payment.Status.OPEN
        outcome = settle_unpaid(order_id=order_id, failed=False) if is_open else "unchanged"
        record_break(
            kind=Break.Kind.SESSION_STATE_DIFFERS,
            object_id=payment.session_id or "",
            order_id=order_id,
            details={"stripe": "unknown", "ours": str(payment.status)},
        )
    except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
        swept.left.append(str(order_id))
        return
    if outcome != "unchanged":
        swept.settled.append(str(order_id))


def _settle_lost_events(swept: Swept, *, now: datetime) -> None:
    lost = StripeEvent.objects.filter(settled_at=None, received_at__lte=now - JOB_GRACE)
    for event_id in lost.order_by("received_at").values_list("id", flat=True)[:MAX_ITEMS]:
        settle_event(event_id=event_id)
        swept.settled.append(event_id)


def _settle_linked_events(swept: Swept, *, now: datetime) -> None:
    """Settles events that came before their payment was linked, once it is."""
    for event_id in _find_linked_events(now):
        StripeEvent.objects.filter(id=event_id).update(settled_at=None)
        settle_event(event_id=event_id)
        swept.settled.append(event_id)


def _send_lost_refunds(swept: Swept, *, by: Actor, now: datetime) -> None:
    lost = Refund.objects.filter(status=Refund.Status.REQUESTED, requested_at__lte=now - JOB_GRACE)
    for refund_id in lost.values_list("id", flat=True)[:MAX_ITEMS]:
        try:
            send_refund(refund_id=refund_id, by=by)
        except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
            swept.left.append(str(refund_id))


def _find_linked_events(now: datetime) -> list[str]:
    waiting = StripeEvent.objects.filter(outcome=BEFORE_LINK, received_at__gte=now - MAX_WAIT_FOR_LINK)
    intents = {
        event.id: read_reference(read_event_object(event.payload).get("payment_intent"))
        for event in waiting[:MAX_ITEMS]
    }
    known = Payment.objects.filter(payment_intent_id__in=[intent for intent in intents.values() if intent])
    linked = set(known.values_list("payment_intent_id", flat=True))
    return [event_id for event_id, intent in intents.items() if intent in linked]
