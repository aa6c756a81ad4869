"""Completes an order that a card has paid: the same effects as of one that credit pays (place_orders.sql)."""

from datetime import datetime

from django.db import connection

from billing.locks import lock_organization
from billing.models import Subscription
from orders.models import Order
from orders.models.basket import Basket, BundleDiscount, Line
from orders.models.period import next_period

_COMPLETE = """
SELECT orders_complete_orders(ARRAY[ROW(%s, 'stripe', %s, %s, %s, %s)::orders_completion])
"""


def complete_order(*, order: Order, now: datetime) -> Subscription:
    """Completes a paid order: subscription, invoice, organization, `order.placed`, the worker's jobs.

    The caller holds the order's and the account's locks and has taken the credit. An earlier subscription of the
    organization ends, at Stripe by a job.

    Locks: Organization. Transaction: joins.
    """
    lock_organization(organization_id=order.organization_id)
    order.status, order.completed_at = Order.Status.COMPLETED, now
    order.save(update_fields=["status", "completed_at"])
    start, end = now, next_period(anchor=now, end=now)[1]
    payment = order.payment
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETE, [order.id, payment.stripe_subscription_id, payment.stripe_invoice_id, start, end])
    return Subscription.objects.get(order_id=order.id)


def basket_of(order: Order) -> Basket:
    """Returns the items that the order bought, from its own lines."""
    lines = [Line.of(line) for line in order.lines.order_by("position")]
    return Basket(
        plan=lines[0],
        addon_lines=tuple(lines[1:]),
        apps=tuple(order.apps),
        addons=tuple(order.addons),
        bundle=BundleDiscount.of(order.bundle),
    )
