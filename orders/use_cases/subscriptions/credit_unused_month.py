"""Credits the unused part of a paid month to the balance when a card pays for the order that replaces it.

An order that credit covers does the same inside place_orders.sql.
"""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from billing.actor import Actor
from billing.models import CreditClass, Invoice, LedgerEntry, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ledger.post_entry import adjust_credit, grant_credit
from orders.locks import lock_subscription
from orders.models import Order


def unused_minor(*, subscription_id: UUID, as_of: datetime) -> int:
    """Returns what the unused part of the month is worth; 0 where PRORATION is off. One query."""
    if not settings.PRORATION:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT orders_unused_minor(%s, %s)", [subscription_id, as_of])
        value: int = cursor.fetchone()[0]
    return value


def find_prorated_minor(*, order_id: UUID) -> int:
    """Returns what a change of plan has credited of this order: of the last month that its subscription paid."""
    entry = _find_proration(order_id=order_id)
    return entry.amount_minor if entry else 0


def take_back_unused_month(*, order: Order, amount_minor: int, by: Actor) -> LedgerEntry:
    """Takes back what a change of plan credited of an order whose credit was returned as a whole.

    The entry has the reason of the credited month, so that the journal and the documents take its VAT back too.

    Args: amount_minor: positive, smallest unit. The caller holds the order's lock. Locks: Account.
    Transaction: joins.
    """
    entry = _find_proration(order_id=order.id)
    assert entry is not None  # noqa: S101 - the caller has found its amount under the same lock
    return adjust_credit(
        customer_id=order.customer_id,
        amount_minor=-amount_minor,
        reason=entry.reason,
        why=f"order {order.id}: its unused month was credited before its refund",
        by=by,
    )


def _find_proration(*, order_id: UUID) -> LedgerEntry | None:
    month = Invoice.objects.filter(order_id=order_id, status=Invoice.Status.PAID).first()
    if month is None:
        return None
    paid = Invoice.objects.filter(subscription_id=month.subscription_id, status=Invoice.Status.PAID)
    if paid.filter(period_start__gt=month.period_start).exists():
        return None
    entry = LedgerEntry.objects.filter(
        kind=LedgerEntry.Kind.GRANT,
        reason=f"proration:{month.subscription_id}",
        reason__startswith="proration:",  # the condition of the unique index
    ).first()
    if entry is None or LedgerEntry.objects.filter(reverses=entry).exists():
        return None
    return entry


def credit_unused_month(*, order: Order, by: Actor) -> int:
    """Credits the unused month of the subscription that a paid order replaces. Returns the amount.

    The part is counted from the moment of the checkout, as the quote was. A month that was paid since is unused as a
    whole; what was refunded since lowers the part, also below what the order counts on. Nothing is credited where
    the subscription has ended.

    The caller holds the locks of the order, the account and the organization. Locks: Subscription.
    Transaction: joins. Idempotency: the database allows one such entry for a subscription.
    """
    replaced = (
        Subscription.objects.filter(organization_id=order.organization_id)
        .exclude(status__in=ENDED_STATUSES)
        .values_list("id", flat=True)
        .first()
    )
    if replaced is None:
        return 0
    # Races with a renewal, which moves the period.
    lock_subscription(subscription_id=replaced)
    credited_minor = unused_minor(subscription_id=replaced, as_of=order.created_at)
    if credited_minor:
        grant_credit(
            customer_id=order.customer_id,
            amount_minor=credited_minor,
            reason=f"proration:{replaced}",
            order_id=order.id,
            credit_class=CreditClass.SOLD,
            by=by,
        )
    return credited_minor
