"""Compares what Stripe holds with orders and ledger, and names every break by its kind.

Stripe is read first, outside any transaction; a repair then decides again under the order's lock. Safe to repair is
what Stripe's own word settles: a session that ended, a refund that was made, a subscription that changed, a session
that nobody waits for. The rest is for people, in the console.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from billing.actor import Actor
from billing.models import LedgerEntry, Subscription
from billing.models.subscription import ENDED_STATUSES
from orders import gateway
from orders.locks import lock_order
from orders.models import Break, Order, Payment
from orders.use_cases.follow_subscription import follow
from orders.use_cases.record_break import record_break
from orders.use_cases.request_refund import book_refunded
from orders.use_cases.settle_payment import settle_session

Kind = Break.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One break: what Stripe's object is, what ours is, and whether it was repaired."""

    kind: Break.Kind
    object_id: str
    order_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)
    repaired: bool = False


def reconcile_stripe(*, since: timedelta, repair: bool, by: Actor) -> list[Finding]:
    """Every break of the last `since`; those not repaired are put before staff.

    Raises: gateway.Unanswered, gateway.NotConfigured, gateway.Refused: then nothing is known.
    Transaction: owns, one a repair. Idempotency: a second run finds what is still broken, told once.
    """
    start = timezone.now() - since
    findings = [
        *_sessions(start, repair=repair, by=by),
        *_refunds(start, repair=repair, by=by),
        *_subscriptions(repair=repair),
        *_ledger(start),
    ]
    for found in findings:
        if not found.repaired:
            record_break(kind=found.kind, object_id=found.object_id, order_id=found.order_id, details=found.details)
    return findings


def _sessions(start: datetime, *, repair: bool, by: Actor) -> Iterator[Finding]:
    ours = {
        str(payment.session_id): payment
        for payment in Payment.objects.filter(requested_at__gte=start, session_id__isnull=False)
    }
    told = {session.id: session for session in gateway.sessions_since(start)}
    for session_id, session in told.items():
        payment = ours.get(session_id)
        if payment is None:
            if session.status == "expired":
                continue
            if repair and session.status == "open":
                session = gateway.expire_session(session_id)  # noqa: PLW2901 - what it is now
            yield Finding(
                kind=Kind.STRAY_SESSION,
                object_id=session_id,
                details={"status": session.status},
                repaired=session.status == "expired",
            )
        elif not _agree(payment, session):
            done = settle_session(order_id=payment.order_id, session=session, by=by) if repair else ""
            yield Finding(
                kind=Kind.SESSION_STATE_DIFFERS,
                object_id=session_id,
                order_id=payment.order_id,
                details={"stripe": f"{session.status} {session.payment_status}", "ours": payment.status},
                repaired=bool(done) and done not in (Kind.AMOUNT_DIFFERS, Kind.OTHER_CURRENCY, "unchanged"),
            )
    for session_id in ours.keys() - told.keys():
        payment = ours[session_id]
        if payment.status in (Payment.Status.OPEN, Payment.Status.PROCESSING, Payment.Status.PAID):
            yield Finding(
                kind=Kind.SESSION_STATE_DIFFERS,
                object_id=str(session_id),
                order_id=payment.order_id,
                details={"stripe": "unknown", "ours": payment.status},
            )


def _agree(payment: Payment, session: gateway.Session) -> bool:
    expected = {
        Payment.Status.OPEN: {("open", "unpaid")},
        Payment.Status.PROCESSING: {("complete", "unpaid")},
        Payment.Status.PAID: {("complete", "paid"), ("complete", "no_payment_required")},
        Payment.Status.EXPIRED: {("expired", "unpaid")},
        Payment.Status.FAILED: {("expired", "unpaid"), ("complete", "unpaid")},
    }
    return (session.status, session.payment_status) in expected.get(Payment.Status(payment.status), set())


def _refunds(start: datetime, *, repair: bool, by: Actor) -> Iterator[Finding]:
    paid = Payment.objects.filter(status=Payment.Status.PAID, paid_at__gte=start).exclude(payment_intent_id="")
    for payment in paid:
        told = gateway.refunded_of(payment_intent_id=payment.payment_intent_id)
        if told == payment.refunded_minor:
            continue
        repaired = repair and told > payment.refunded_minor
        if repaired:
            with transaction.atomic():
                book_refunded(
                    order=lock_order(order_id=payment.order_id),
                    refunded_minor=told,
                    why="found by reconciliation",
                    by=by,
                )
        yield Finding(
            kind=Kind.REFUND_DIFFERS,
            object_id=payment.payment_intent_id,
            order_id=payment.order_id,
            details={"stripe": told, "ours": payment.refunded_minor},
            repaired=repaired,
        )


def _subscriptions(*, repair: bool) -> Iterator[Finding]:
    live = Subscription.objects.exclude(stripe_subscription_id="").exclude(status__in=ENDED_STATUSES)
    for subscription in live:
        try:
            told = gateway.retrieve_subscription(subscription.stripe_subscription_id)
        except gateway.Refused:
            told = {"status": "unknown"}
        if told["status"] == subscription.status:
            continue
        repaired = repair and told["status"] != "unknown"
        if repaired:
            with transaction.atomic():
                # Races with an event of the same subscription.
                current = Subscription.objects.select_for_update(no_key=True).get(id=subscription.id)
                follow(current, told, status=str(told["status"]), told_at=timezone.now())
        yield Finding(
            kind=Kind.SUBSCRIPTION_STATE_DIFFERS,
            object_id=subscription.stripe_subscription_id,
            order_id=subscription.order_id,
            details={"stripe": told["status"], "ours": subscription.status},
            repaired=repaired,
        )


def _ledger(start: datetime) -> Iterator[Finding]:
    """A completed order whose credit is not in the ledger as its spend; never repaired by a program."""
    spend = LedgerEntry.objects.filter(
        order_id=OuterRef("id"), kind=LedgerEntry.Kind.SPEND, amount_minor=-1 * OuterRef("credit_applied_minor")
    )
    completed = Order.objects.filter(created_at__gte=start, status=Order.Status.COMPLETED, credit_applied_minor__gt=0)
    for order_id in completed.exclude(Exists(spend)).values_list("id", flat=True):
        yield Finding(kind=Kind.CREDIT_NOT_SPENT, object_id=str(order_id), order_id=order_id)
