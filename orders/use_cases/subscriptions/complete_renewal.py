"""Completes a month of a subscription that credit pays, once its order is paid from credit, by card, or both."""

from datetime import datetime

from billing.models import Invoice, Subscription
from orders.locks import lock_subscription
from orders.models import Order
from orders.models.order import LIVE_STATUSES
from orders.models.period import next_period
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event

RENEWABLE_STATUSES = (Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE)


def find_due_period(subscription: Subscription) -> tuple[datetime, datetime]:
    """Finds the month after the current one, counted from the day of the subscription's first order. One query."""
    anchor = Order.objects.values_list("completed_at", flat=True).get(id=subscription.order_id)
    if anchor is None:
        raise RuntimeError(f"the first order of subscription {subscription.id} is not complete")
    return next_period(anchor=anchor, end=subscription.current_period_end)


def is_still_due(order: Order) -> bool:
    """Returns whether a renewal's month is still unpaid, and no other order pays it.

    The caller holds the order's and the account's locks. Locks: Subscription.
    """
    if order.renews_id is None:
        raise RuntimeError(f"order {order.id} renews nothing")
    subscription = lock_subscription(subscription_id=order.renews_id)
    if subscription.status not in RENEWABLE_STATUSES or subscription.current_period_end != order.period_start:
        return False
    others = Order.objects.filter(renews=subscription, period_start=order.period_start, status__in=LIVE_STATUSES)
    return not others.exclude(id=order.id).exists()


def complete_renewal(*, order: Order, now: datetime) -> Subscription:
    """Completes a renewal whose price was taken.

    The subscription is active and moves to the next period, the invoice is paid, `subscription.renewed` is recorded,
    and a receipt is queued.

    The caller holds the order's and the account's locks, and has checked that the month is due. Locks: Subscription.
    Transaction: joins. Idempotency: the database allows one order, one invoice and one event for a month.
    """
    if order.renews_id is None:
        raise RuntimeError(f"order {order.id} renews nothing")
    subscription = lock_subscription(subscription_id=order.renews_id)
    period = find_due_period(subscription)
    order.status, order.completed_at = Order.Status.COMPLETED, now
    order.save(update_fields=["status", "completed_at"])
    subscription.current_period_start, subscription.current_period_end = period
    subscription.status, subscription.past_due_since = Subscription.Status.ACTIVE, None
    subscription.save(update_fields=["current_period_start", "current_period_end", "status", "past_due_since"])
    invoice = open_invoice(subscription, period=period)
    invoice.status, invoice.order_id = Invoice.Status.PAID, order.id
    invoice.save(update_fields=["status", "order_id"])
    record_subscription_event("subscription.renewed", subscription, period=period, order_id=order.id)
    queue_mail(Mail.RENEWED, invoice.id)
    return subscription


def open_invoice(subscription: Subscription, *, period: tuple[datetime, datetime]) -> Invoice:
    """Finds the invoice of a month, or writes it as open. Transaction: joins."""
    invoice, _ = Invoice.objects.get_or_create(
        subscription=subscription,
        period_start=period[0],
        stripe_invoice_id="",
        defaults={
            "customer_id": subscription.customer_id,
            "organization_id": subscription.organization_id,
            "amount_minor": subscription.amount_minor,
            "currency": subscription.currency,
            "status": Invoice.Status.OPEN,
            "period_end": period[1],
        },
    )
    return invoice
