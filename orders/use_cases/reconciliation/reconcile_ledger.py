"""Compares orders with the ledger, without Stripe: credit is spent, returned or held exactly as the order says."""

from collections.abc import Iterator
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import Hold, LedgerEntry
from billing.use_cases.ledger.hold_credit import release_hold
from orders.locks import lock_order
from orders.models import Break, Order
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind
_KINDS = (Kind.CREDIT_NOT_SPENT, Kind.CREDIT_NOT_RETURNED, Kind.HOLD_LEFT)
_WITHOUT_EFFECT = (Order.Status.FAILED, Order.Status.EXPIRED, Order.Status.CANCELLED)


def reconcile_ledger(run: ReconciliationRun) -> Iterator[Finding]:
    """Finds credit that a completed order did not spend, or that any other order spent or still holds."""
    found: set[str] = set()
    for finding in (*_find_unspent(run), *_find_unreturned(run), *_find_left_holds(run)):
        found.add(finding.object_id)
        yield finding
    recorded = Break.objects.filter(kind__in=_KINDS, closed_at=None).exclude(object_id__in=found)
    compared = Order.objects.filter(created_at__gte=run.start).values_list("id", flat=True)
    resolved = recorded.filter(order_id__in=compared).values_list("object_id", flat=True)
    run.close_breaks(*resolved, kinds=_KINDS)


def _unreversed_spends() -> QuerySet[LedgerEntry, LedgerEntry]:
    """Returns the spend of an outer query's order, unless it is reversed."""
    reversal = LedgerEntry.objects.filter(reverses_id=OuterRef("id"))
    spends = LedgerEntry.objects.filter(order_id=OuterRef("id"), kind=LedgerEntry.Kind.SPEND)
    return spends.exclude(Exists(reversal))


def _find_unspent(run: ReconciliationRun) -> Iterator[Finding]:
    spend = _unreversed_spends().filter(amount_minor=-1 * OuterRef("credit_applied_minor"))
    completed = Order.objects.filter(
        created_at__gte=run.start, status=Order.Status.COMPLETED, credit_applied_minor__gt=0
    )
    for order in completed.exclude(Exists(spend)).iterator():
        yield Finding(
            kind=Kind.CREDIT_NOT_SPENT,
            object_id=str(order.id),
            order_id=order.id,
            details={"credit": order.credit_applied_minor},
            needs_staff=True,
        )


def _find_unreturned(run: ReconciliationRun) -> Iterator[Finding]:
    others = Order.objects.filter(created_at__gte=run.start).exclude(status=Order.Status.COMPLETED)
    for order in others.filter(Exists(_unreversed_spends())).iterator():
        yield Finding(
            kind=Kind.CREDIT_NOT_RETURNED,
            object_id=str(order.id),
            order_id=order.id,
            details={"order": order.status},
            needs_staff=True,
        )


def _find_left_holds(run: ReconciliationRun) -> Iterator[Finding]:
    pending = Order.objects.filter(id=OuterRef("order_id"), status=Order.Status.PENDING)
    for hold in Hold.objects.filter(status=Hold.Status.ACTIVE).exclude(Exists(pending)).iterator():
        yield Finding(
            kind=Kind.HOLD_LEFT,
            object_id=str(hold.order_id),
            order_id=hold.order_id,
            details={"held": hold.amount_minor},
            repaired=run.repair_with(partial(_release_hold, hold)),
        )


def _release_hold(hold: Hold) -> bool:
    """Releases the hold of an order that is not in effect. A complete order should have spent it: staff decide."""
    with transaction.atomic():
        if lock_order(order_id=hold.order_id).status not in _WITHOUT_EFFECT:
            return False
        return release_hold(order_id=hold.order_id) is not None
