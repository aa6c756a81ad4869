"""Orders and ledger, which need no Stripe: credit is spent, returned or held exactly as the order says."""

from collections.abc import Iterator
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import Hold, LedgerEntry
from billing.use_cases.hold_credit import release_hold
from orders.locks import lock_order
from orders.models import Break, Order
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind
_KINDS = (Kind.CREDIT_NOT_SPENT, Kind.CREDIT_NOT_RETURNED, Kind.HOLD_LEFT)
_LOST = (Order.Status.FAILED, Order.Status.EXPIRED, Order.Status.CANCELLED)


def reconcile_ledger(run: ReconciliationRun) -> Iterator[Finding]:
    """A completed order's credit is spent, any other's is not, and only a pending one holds any."""
    found: set[str] = set()
    for finding in (*_not_spent(run), *_not_returned(run), *_held(run)):
        found.add(finding.object_id)
        yield finding
    told = Break.objects.filter(kind__in=_KINDS, closed_at=None).exclude(object_id__in=found)
    made = Order.objects.filter(created_at__gte=run.start).values_list("id", flat=True)
    earlier = told.filter(order_id__in=made).values_list("object_id", flat=True)
    run.agrees(*earlier, kinds=_KINDS)


def _spends() -> QuerySet[LedgerEntry, LedgerEntry]:
    """An order's spend that stands: not reversed."""
    reversal = LedgerEntry.objects.filter(reverses_id=OuterRef("id"))
    spends = LedgerEntry.objects.filter(order_id=OuterRef("id"), kind=LedgerEntry.Kind.SPEND)
    return spends.exclude(Exists(reversal))


def _not_spent(run: ReconciliationRun) -> Iterator[Finding]:
    spend = _spends().filter(amount_minor=-1 * OuterRef("credit_applied_minor"))
    completed = Order.objects.filter(
        created_at__gte=run.start, status=Order.Status.COMPLETED, credit_applied_minor__gt=0
    )
    for order in completed.exclude(Exists(spend)).iterator():
        yield Finding(
            kind=Kind.CREDIT_NOT_SPENT,
            object_id=str(order.id),
            order_id=order.id,
            details={"credit": order.credit_applied_minor},
            for_people=True,
        )


def _not_returned(run: ReconciliationRun) -> Iterator[Finding]:
    others = Order.objects.filter(created_at__gte=run.start).exclude(status=Order.Status.COMPLETED)
    for order in others.filter(Exists(_spends())).iterator():
        yield Finding(
            kind=Kind.CREDIT_NOT_RETURNED,
            object_id=str(order.id),
            order_id=order.id,
            details={"order": order.status},
            for_people=True,
        )


def _held(run: ReconciliationRun) -> Iterator[Finding]:
    pending = Order.objects.filter(id=OuterRef("order_id"), status=Order.Status.PENDING)
    for hold in Hold.objects.filter(status=Hold.Status.ACTIVE).exclude(Exists(pending)).iterator():
        yield Finding(
            kind=Kind.HOLD_LEFT,
            object_id=str(hold.order_id),
            order_id=hold.order_id,
            details={"held": hold.amount_minor},
            repaired=run.repairs(partial(_released, hold)),
        )


def _released(hold: Hold) -> bool:
    """Gives back what an order that came to nothing holds; one that is complete should have spent it."""
    with transaction.atomic():
        if lock_order(order_id=hold.order_id).status not in _LOST:
            return False
        return release_hold(order_id=hold.order_id) is not None
