"""Finishes what a crash or an unanswered call left open, by asking Stripe with the same idempotency keys.

Nothing is guessed. Each step may be repeated and may run beside a web process: it takes the lock, reads again, and
leaves alone what was decided before. A step that fails is left for the next round, and stops no other.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from billing.actor import Actor, system_actor
from orders.models import Break, Order, Payment, Refund, StripeEvent
from orders.models.payment import BEFORE_COMPLETION, BEFORE_LINK, MIRROR_KEY
from orders.process_lock import find_abandoned_payments
from orders.stripe import gateway
from orders.stripe.payloads import read_event_object, read_reference
from orders.use_cases.payments.find_event_owner import (
    MAX_WAIT_FOR_COMPLETION,
    MAX_WAIT_FOR_OWNER,
    close_early_event,
    find_charge_owner,
)
from orders.use_cases.payments.mirror_events import MAX_MIRROR_ATTEMPTS, enqueue_mirroring
from orders.use_cases.payments.open_payment import take_over_request, undo_checkout
from orders.use_cases.payments.request_refund import send_refund
from orders.use_cases.payments.request_session import find_session
from orders.use_cases.payments.settle_event import MAX_ATTEMPTS, SET_ASIDE, try_event
from orders.use_cases.payments.settle_payment import settle_session, settle_session_and_debit, settle_unpaid
from orders.use_cases.reconciliation.record_break import record_break

# Of each kind, in one round.
MAX_ITEMS = 100
# Of so many events without a copy those items are chosen.
MAX_CHOICE = 10_000
# Of each kind, in one round: a silent Stripe must not let one kind keep the others, or the next round, waiting.
MAX_SECONDS_OF_KIND = 4
# A job settles or mirrors an event, or sends a refund, at once. The sweeper takes those that are older: their job
# was lost.
JOB_GRACE = timedelta(minutes=2)
DEBIT_CHECK_INTERVAL = timedelta(hours=1)

Key = TypeVar("Key", UUID, str)

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Swept:
    """The ids that a round handled, by outcome.

    `enqueued` are those that have a job again, `left` those that Stripe did not answer for, `failed` those whose step
    failed on our side.
    """

    undone: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    enqueued: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run_each(self, keys: Iterable[Key], step: Callable[[Key], None]) -> None:
        """Runs the step for each key, at least one and then until the time is over; the next round goes on.

        One that fails does not stop the others, unless the database is away.
        """
        deadline = time.monotonic() + MAX_SECONDS_OF_KIND
        for number, key in enumerate(keys):
            if number and time.monotonic() > deadline:
                return
            try:
                step(key)
            except (gateway.Unanswered, gateway.NotConfigured, gateway.Refused):
                self.left.append(str(key))
            except Exception:
                # A call to Stripe gives the connection back, which does not mean that the database is away.
                if connection.connection is not None and not connection.is_usable():
                    raise
                logger.exception("a step of the sweeper failed for %s", key)
                self.failed.append(str(key))


def sweep_payments(*, now: datetime | None = None) -> Swept:
    """Runs one round over unanswered requests, sessions to clean up, overdue sessions, lost events and lost refunds.

    An event that was not mirrored gets a job again.

    Transaction: owns, one for each payment; no call to Stripe inside any.
    """
    moment = now or timezone.now()
    by = system_actor(channel="worker", user_id="sweeper")
    swept = release_abandoned_checkouts(now=moment)
    swept.run_each(
        _choose(Payment.objects.filter(needs_stripe_cleanup=True)),
        lambda order_id: _clean_up_session(order_id, swept, by=by, now=moment),
    )
    overdue = Payment.objects.filter(status=Payment.Status.OPEN, expires_at__lte=moment)
    swept.run_each(_choose(overdue), lambda order_id: _settle_overdue(order_id, swept, by=by))
    debits = Payment.objects.filter(
        status=Payment.Status.PROCESSING, expires_at__lte=moment, leased_until__lte=moment
    )
    swept.run_each(_choose(debits), lambda order_id: _settle_debit(order_id, swept, by=by, now=moment))
    lost = StripeEvent.objects.filter(settled_at=None, attempts__lt=MAX_ATTEMPTS, received_at__lte=moment - JOB_GRACE)
    swept.run_each(_choose(lost), lambda event_id: _settle_event(event_id, swept))
    swept.run_each(_find_linked_events(), lambda event_id: _settle_again(event_id, swept))
    swept.run_each(_find_unowned_events(moment), lambda event_id: _close_unowned_event(event_id, swept))
    lost_refunds = Refund.objects.filter(status=Refund.Status.REQUESTED, requested_at__lte=moment - JOB_GRACE)
    swept.run_each(_choose(lost_refunds), lambda refund_id: _send_refund(refund_id, by=by))
    # Last: copies for staff move no money.
    swept.run_each(_find_unmirrored_events(moment), lambda event_id: _mirror_later(event_id, swept))
    return swept


def release_abandoned_checkouts(*, now: datetime | None = None) -> Swept:
    """Undoes the checkouts whose process died while it asked Stripe, so that slot and credit are free again.

    Transaction: owns, one for each payment; no call to Stripe. The next round of the sweeper closes the sessions.
    """
    moment = now or timezone.now()
    by = system_actor(channel="worker", user_id="sweeper")
    swept = Swept()
    swept.run_each(
        find_abandoned_payments(now=moment, limit=MAX_ITEMS),
        lambda order_id: _undo_unanswered(order_id, swept, by=by, now=moment),
    )
    return swept


def _choose(rows: QuerySet[Any, Any]) -> list[Any]:
    """Chooses at random, so that rows that fail in every round do not keep the others waiting."""
    return list(rows.order_by("?").values_list("pk", flat=True)[:MAX_ITEMS])


def _undo_unanswered(order_id: UUID, swept: Swept, *, by: Actor, now: datetime) -> None:
    """Undoes a checkout that was interrupted. Its customer never got an answer; the session is cleaned up next."""
    if not take_over_request(order_id=order_id, now=now):
        # The customer's retry was first.
        return
    undo_checkout(order_id=order_id, by=by, why="the checkout was interrupted")
    swept.undone.append(str(order_id))


def _clean_up_session(order_id: UUID, swept: Swept, *, by: Actor, now: datetime) -> None:
    """Finds the session of a released order at Stripe, by the order's idempotency keys, and closes it."""
    order = Order.objects.select_related("payment", "customer").get(id=order_id)
    session = find_session(order, now=now)
    if session is not None and session.status == "open":
        session = gateway.expire_session(session.id)
    Payment.objects.filter(order_id=order_id, needs_stripe_cleanup=True).update(
        needs_stripe_cleanup=False, session_id=session.id if session else None
    )
    if session is not None and session.status == "complete":
        # It was paid after the release. It is settled here, whether or not its webhook arrives.
        settle_session(order_id=order_id, session=session, by=by)
    swept.closed.append(str(order_id))


def _settle_debit(order_id: UUID, swept: Swept, *, by: Actor, now: datetime) -> None:
    # A bank takes days. The interval keeps many debits from filling every round.
    Payment.objects.filter(order_id=order_id).update(leased_until=now + DEBIT_CHECK_INTERVAL)
    _settle_overdue(order_id, swept, by=by)


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
    if outcome != "unchanged":
        swept.settled.append(str(order_id))


def _settle_event(event_id: str, swept: Swept) -> None:
    outcome = try_event(event_id=event_id)
    (swept.failed if outcome == SET_ASIDE else swept.settled).append(event_id)


def _settle_again(event_id: str, swept: Swept) -> None:
    """Settles an event that came before its payment was linked, now that it is."""
    StripeEvent.objects.filter(id=event_id).update(settled_at=None)
    _settle_event(event_id, swept)


def _close_unowned_event(event_id: str, swept: Swept) -> None:
    """Ends the wait of an event whose order or month did not appear: staff see a break."""
    if StripeEvent.objects.get(id=event_id).outcome == BEFORE_LINK:
        find_charge_owner(event_id=event_id, is_last=True)
    else:
        close_early_event(event_id=event_id)
    swept.settled.append(event_id)


def _mirror_later(event_id: str, swept: Swept) -> None:
    """Adds the job that mirrors the event, unless one waits. A job may be lost, or give up a silent Stripe."""
    event = StripeEvent.objects.annotate(mirror_key=MIRROR_KEY).defer("payload").get(id=event_id)
    enqueue_mirroring(event_id=event_id, key=event.mirror_key)
    swept.enqueued.append(event_id)


def _send_refund(refund_id: UUID, *, by: Actor) -> None:
    send_refund(refund_id=refund_id, by=by)


def _find_linked_events() -> list[str]:
    waiting = StripeEvent.objects.filter(outcome=BEFORE_LINK, settled_at__isnull=False).order_by("received_at")
    intents = {
        event.id: read_reference(read_event_object(event.payload).get("payment_intent"))
        for event in waiting[:MAX_ITEMS]
    }
    known = Payment.objects.filter(payment_intent_id__in=[intent for intent in intents.values() if intent])
    linked = set(known.values_list("payment_intent_id", flat=True))
    return [event_id for event_id, intent in intents.items() if intent in linked]


def _find_unmirrored_events(now: datetime) -> list[str]:
    if not gateway.is_configured():
        # Their jobs would do nothing.
        return []
    unmirrored = StripeEvent.objects.filter(mirrored_at=None, mirror_attempts__lt=MAX_MIRROR_ATTEMPTS)
    # After months with a wrong key there may be a million.
    some = unmirrored.filter(received_at__lte=now - JOB_GRACE)[:MAX_CHOICE]
    return _choose(StripeEvent.objects.filter(pk__in=some.values("pk")))


def _find_unowned_events(now: datetime) -> list[str]:
    settled = StripeEvent.objects.filter(settled_at__isnull=False)
    charges = settled.filter(outcome=BEFORE_LINK, received_at__lte=now - MAX_WAIT_FOR_OWNER)
    early = settled.filter(outcome=BEFORE_COMPLETION, received_at__lte=now - MAX_WAIT_FOR_COMPLETION)
    return _choose(charges) + _choose(early)
