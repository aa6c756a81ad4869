"""Compares subscriptions: each one that Stripe charges must be in effect here, in the same state as at Stripe."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.jobs import enqueue
from billing.models import Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.locks import lock_followed_subscription
from orders.models import Break, Order, Payment
from orders.stripe import gateway
from orders.stripe import subscriptions as stripe_subscriptions
from orders.stripe.gateway import Resource
from orders.stripe.payloads import Object, read_order_id, read_reference
from orders.use_cases.reconciliation.reconciliation_run import (
    UNKNOWN,
    Finding,
    ReconciliationRun,
    find_our_customers,
)
from orders.use_cases.subscriptions.follow_subscription import apply_subscription_state

Kind = Break.Kind
_KINDS = (Kind.SUBSCRIPTION_STATE_DIFFERS, Kind.STRAY_SUBSCRIPTION)


@dataclass(frozen=True, slots=True)
class _SubscriptionRows:
    """Our rows about a page of subscriptions."""

    subscriptions: dict[str, Subscription]
    orders: dict[UUID, Order]
    customer_ids: frozenset[str]


def reconcile_subscriptions(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every subscription that Stripe charges, however old, then each of ours that was not among them."""
    seen: set[str] = set()
    for page in run.list_pages(Resource.SUBSCRIPTIONS):
        rows = _load_rows(page)
        seen |= rows.subscriptions.keys()
        alive = [document for document in page if document["status"] not in ENDED_STATUSES]
        yield from run.compare_each(alive, partial(_compare, run, rows))
    ours = Subscription.objects.exclude(stripe_subscription_id="").exclude(status__in=ENDED_STATUSES)
    unlisted = (
        each for each in ours.iterator(chunk_size=gateway.PAGE_SIZE) if each.stripe_subscription_id not in seen
    )
    yield from run.compare_unlisted(unlisted, partial(_retrieve_and_compare, run), any_listed=bool(seen))


def _load_rows(page: list[Object]) -> _SubscriptionRows:
    ids = [document["id"] for document in page]
    subscriptions = Subscription.objects.filter(stripe_subscription_id__in=ids)
    carried = [order_id for document in page if (order_id := read_order_id(document))]
    paid = Payment.objects.filter(stripe_subscription_id__in=ids).values("order_id")
    orders = Order.objects.select_related("payment").filter(Q(id__in=carried) | Q(id__in=paid))
    return _SubscriptionRows(
        subscriptions={each.stripe_subscription_id: each for each in subscriptions},
        orders={each.id: each for each in orders},
        customer_ids=find_our_customers(page),
    )


def _compare(run: ReconciliationRun, rows: _SubscriptionRows, document: Object) -> Iterator[Finding]:
    subscription = rows.subscriptions.get(document["id"])
    order_id = read_order_id(document)
    if subscription is not None:
        yield from _compare_own(run, subscription, document)
        return
    named = (each for each in rows.orders.values() if document["id"] == _payment_of(each).stripe_subscription_id)
    order = next(named, None) or (rows.orders.get(order_id) if order_id else None)
    if order is not None:
        yield from _compare_with_order(run, order, document)
    elif order_id is not None:
        # It belongs to another deployment, or to orders that a restored backup lacks. Staff decide whether to end it.
        is_ours = read_reference(document.get("customer")) in rows.customer_ids
        details = {"status": document["status"], "order": str(order_id), "our customer": is_ours}
        yield Finding(kind=Kind.STRAY_SUBSCRIPTION, object_id=document["id"], details=details, needs_staff=True)


def _payment_of(order: Order) -> Payment:
    return getattr(order, "payment", None) or Payment()


def _compare_own(run: ReconciliationRun, subscription: Subscription, document: Object) -> Iterator[Finding]:
    if document["status"] == subscription.status:
        run.close_breaks(document["id"], kinds=_KINDS)
        return
    if run.is_in_flight(document["id"], subscription.order_id):
        return
    if subscription.status not in ENDED_STATUSES:
        yield _report_state_difference(run, subscription, document)
    elif subscription.canceled_at is None or subscription.canceled_at <= run.in_flight_since:
        yield _report_stray(run, document, subscription.order_id, ours=subscription.status)


def _compare_with_order(run: ReconciliationRun, order: Order, document: Object) -> Iterator[Finding]:
    """Compares a subscription that no row of ours names: its order is not complete, or has another subscription."""
    if run.is_in_flight(document["id"], order.id) or order.status == Order.Status.PENDING:
        return
    ended_at = _payment_of(order).closed_at or _payment_of(order).paid_at
    if ended_at is not None and ended_at > run.in_flight_since:
        # The job that cancels it is in flight.
        return
    ours = Subscription.objects.filter(order_id=order.id).first()
    if ours is None and _has_unsettled_session(order, document):
        # It was paid, but the session is not settled here yet. Settling it may complete the order.
        return
    if ours is not None and not ours.stripe_subscription_id:
        yield Finding(
            kind=Kind.STRAY_SUBSCRIPTION,
            object_id=document["id"],
            order_id=order.id,
            details={"stripe": document["status"], "ours": f"{ours.paid_by} {ours.status}"},
        )
        return
    yield _report_stray(run, document, order.id, ours=f"order {order.status}")


def _has_unsettled_session(order: Order, document: Object) -> bool:
    if _payment_of(order).status == Payment.Status.PAID:
        return False
    found = gateway.list_pages(Resource.SESSIONS, subscription=document["id"])
    return any(session["payment_status"] != "unpaid" for page in found for session in page)


def _report_stray(run: ReconciliationRun, document: Object, order_id: UUID, *, ours: str) -> Finding:
    return Finding(
        kind=Kind.STRAY_SUBSCRIPTION,
        object_id=document["id"],
        order_id=order_id,
        details={"stripe": document["status"], "ours": ours},
        repaired=run.repair_with(lambda: _end(document["id"])),
    )


def _end(subscription_id: str) -> bool:
    """Ends a stray subscription; False where a late payment has completed its order since the comparison."""
    ours = Subscription.objects.filter(stripe_subscription_id=subscription_id)
    if ours.exclude(status__in=ENDED_STATUSES).exists():
        return False
    stripe_subscriptions.cancel_subscription(subscription_id)
    # The job voids its unpaid invoices: Stripe may not answer now, and no later run would list the subscription.
    enqueue("cancel_stripe_subscription", subscription_id=subscription_id)
    return True


def _retrieve_and_compare(run: ReconciliationRun, subscription: Subscription) -> Iterator[Finding]:
    run.forget_recent_events()
    try:
        document = stripe_subscriptions.retrieve_subscription(subscription.stripe_subscription_id)
    except gateway.Refused:
        document = {"id": subscription.stripe_subscription_id, "status": UNKNOWN}
    subscription.refresh_from_db()
    yield from _compare_own(run, subscription, document)


def _report_state_difference(run: ReconciliationRun, subscription: Subscription, document: Object) -> Finding:
    return Finding(
        kind=Kind.SUBSCRIPTION_STATE_DIFFERS,
        object_id=document["id"],
        order_id=subscription.order_id,
        details={"stripe": document["status"], "ours": subscription.status},
        repaired=run.repair_with(lambda: _apply_state(run, subscription, document)),
    )


def _apply_state(run: ReconciliationRun, subscription: Subscription, document: Object) -> bool:
    """Applies Stripe's state; False for a status that we do not know."""
    status = str(document["status"])
    if status not in Subscription.Status.values:
        # The finding says so already, and the run decides whether it is one break for the whole account.
        return False
    with transaction.atomic():
        current = lock_followed_subscription(stripe_id=subscription.stripe_subscription_id)
        if current is None:
            return False
        apply_subscription_state(current, document, status=status, as_of=run.now, by=run.by)
    return current.status == (Subscription.Status.CANCELED if status == Subscription.Status.UNPAID else status)
