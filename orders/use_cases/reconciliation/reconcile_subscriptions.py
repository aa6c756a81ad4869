"""Subscriptions: whatever Stripe goes on charging must be in effect here, in the state that Stripe says."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.models import Subscription
from billing.models.subscription import ENDED_STATUSES
from orders.jobs import enqueue
from orders.locks import lock_followed_subscription
from orders.models import Break, Order, Payment
from orders.stripe import gateway
from orders.stripe.gateway import Listed, reference_id
from orders.use_cases.reconciliation.reconciliation_run import (
    UNKNOWN,
    Finding,
    Object,
    ReconciliationRun,
    carried_order,
    known_customers,
)
from orders.use_cases.subscriptions.follow_subscription import follow

Kind = Break.Kind
_KINDS = (Kind.SUBSCRIPTION_STATE_DIFFERS, Kind.STRAY_SUBSCRIPTION)


@dataclass(frozen=True, slots=True)
class _Known:
    """What we have about a page of subscriptions."""

    subscriptions: dict[str, Subscription]
    orders: dict[UUID, Order]
    customers: frozenset[str]


def reconcile_subscriptions(run: ReconciliationRun) -> Iterator[Finding]:
    """Every subscription that Stripe charges for, however old, then every one of ours that was not among them."""
    seen: set[str] = set()
    for page in run.pages(Listed.SUBSCRIPTIONS):
        known = _known(page)
        seen |= known.subscriptions.keys()
        alive = [told for told in page if told["status"] not in ENDED_STATUSES]
        yield from run.each(alive, partial(_alive, run, known))
    ours = Subscription.objects.exclude(stripe_subscription_id="").exclude(status__in=ENDED_STATUSES)
    unseen = (each for each in ours.iterator(chunk_size=gateway.PAGE) if each.stripe_subscription_id not in seen)
    yield from run.unseen(unseen, partial(_ask_for, run), sees_ours=bool(seen))


def _known(page: list[Object]) -> _Known:
    ids = [told["id"] for told in page]
    subscriptions = Subscription.objects.filter(stripe_subscription_id__in=ids)
    carried = [order_id for told in page if (order_id := carried_order(told))]
    paid = Payment.objects.filter(stripe_subscription_id__in=ids).values("order_id")
    orders = Order.objects.select_related("payment").filter(Q(id__in=carried) | Q(id__in=paid))
    return _Known(
        subscriptions={each.stripe_subscription_id: each for each in subscriptions},
        orders={each.id: each for each in orders},
        customers=known_customers(page),
    )


def _alive(run: ReconciliationRun, known: _Known, told: Object) -> Iterator[Finding]:
    subscription = known.subscriptions.get(told["id"])
    order_id = carried_order(told)
    if subscription is not None:
        yield from _followed(run, subscription, told)
        return
    named = (each for each in known.orders.values() if told["id"] == _payment(each).stripe_subscription_id)
    order = next(named, None) or (known.orders.get(order_id) if order_id else None)
    if order is not None:
        yield from _of_order(run, order, told)
    elif order_id is not None:
        # Another deployment's, or from before a restored backup: whose service would end is for people to say.
        is_ours = reference_id(told.get("customer")) in known.customers
        details = {"status": told["status"], "order": str(order_id), "our customer": is_ours}
        yield Finding(kind=Kind.STRAY_SUBSCRIPTION, object_id=told["id"], details=details, for_people=True)


def _payment(order: Order) -> Payment:
    return getattr(order, "payment", None) or Payment()


def _followed(run: ReconciliationRun, subscription: Subscription, told: Object) -> Iterator[Finding]:
    if told["status"] == subscription.status:
        run.agrees(told["id"], kinds=_KINDS)
        return
    if run.is_moving(told["id"], subscription.order_id):
        return
    if subscription.status not in ENDED_STATUSES:
        yield _differs(run, subscription, told)
    elif subscription.canceled_at is None or subscription.canceled_at <= run.settled_before:
        yield _stray(run, told, subscription.order_id, ours=subscription.status)


def _of_order(run: ReconciliationRun, order: Order, told: Object) -> Iterator[Finding]:
    """One that no subscription of ours names: its order is not complete, or is subscribed to another."""
    if run.is_moving(told["id"], order.id) or order.status == Order.Status.PENDING:
        return
    ended_at = _payment(order).closed_at or _payment(order).paid_at
    if ended_at is not None and ended_at > run.settled_before:
        # The job that cancels it is under way.
        return
    ours = Subscription.objects.filter(order_id=order.id).first()
    if ours is None and _is_to_be_settled(order, told):
        # Paid, and not known here: the session's matter, which may complete the order.
        return
    if ours is not None and not ours.stripe_subscription_id:
        yield Finding(
            kind=Kind.STRAY_SUBSCRIPTION,
            object_id=told["id"],
            order_id=order.id,
            details={"stripe": told["status"], "ours": f"{ours.paid_by} {ours.status}"},
        )
        return
    yield _stray(run, told, order.id, ours=f"order {order.status}")


def _is_to_be_settled(order: Order, told: Object) -> bool:
    if _payment(order).status == Payment.Status.PAID:
        return False
    found = gateway.pages(Listed.SESSIONS, subscription=told["id"])
    return any(session["payment_status"] != "unpaid" for page in found for session in page)


def _stray(run: ReconciliationRun, told: Object, order_id: UUID, *, ours: str) -> Finding:
    return Finding(
        kind=Kind.STRAY_SUBSCRIPTION,
        object_id=told["id"],
        order_id=order_id,
        details={"stripe": told["status"], "ours": ours},
        repaired=run.repairs(lambda: _ended(told["id"])),
    )


def _ended(subscription_id: str) -> bool:
    """False where it has come into effect since it was looked at: a late payment may complete its order."""
    ours = Subscription.objects.filter(stripe_subscription_id=subscription_id)
    if ours.exclude(status__in=ENDED_STATUSES).exists():
        return False
    gateway.cancel_subscription(subscription_id)
    # What it left unpaid is made void by the job: no later run would see it, and Stripe may not answer now.
    enqueue("cancel_stripe_subscription", subscription_id=subscription_id)
    return True


def _ask_for(run: ReconciliationRun, subscription: Subscription) -> Iterator[Finding]:
    run.reads()
    try:
        told = gateway.retrieve_subscription(subscription.stripe_subscription_id)
    except gateway.Refused:
        told = {"id": subscription.stripe_subscription_id, "status": UNKNOWN}
    subscription.refresh_from_db()
    yield from _followed(run, subscription, told)


def _differs(run: ReconciliationRun, subscription: Subscription, told: Object) -> Finding:
    return Finding(
        kind=Kind.SUBSCRIPTION_STATE_DIFFERS,
        object_id=told["id"],
        order_id=subscription.order_id,
        details={"stripe": told["status"], "ours": subscription.status},
        repaired=run.repairs(lambda: _follows(run, subscription, told)),
    )


def _follows(run: ReconciliationRun, subscription: Subscription, told: Object) -> bool:
    """False for a state that has no name here."""
    status = str(told["status"])
    with transaction.atomic():
        current = lock_followed_subscription(stripe_id=subscription.stripe_subscription_id)
        if current is None:
            return False
        follow(current, told, status=status, told_at=run.now, by=run.by)
    return current.status == (Subscription.Status.CANCELED if status == Subscription.Status.UNPAID else status)
