"""Pays the unpaid months of a customer whose balance has grown, before the next renewal run."""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError
from django.db.models import Q, QuerySet

from billing.actor import Actor
from billing.models import Account, Invoice, Subscription
from orders.models import Order
from orders.use_cases.checkout.month_price import next_month_minor
from orders.use_cases.subscriptions.complete_renewal import RENEWABLE_STATUSES
from orders.use_cases.subscriptions.pay_stripe_months import pay_stripe_months
from orders.use_cases.subscriptions.renew_subscription import renew_subscription

logger = structlog.get_logger(__name__)


def unpaid_subscriptions(*, now: datetime) -> QuerySet[Subscription, Subscription]:
    """Returns the subscriptions with a month that is due, however it is paid."""
    return Subscription.objects.filter(
        Q(status=Subscription.Status.PAST_DUE)
        | Q(paid_by=Subscription.PaidBy.CREDIT, status__in=RENEWABLE_STATUSES, current_period_end__lte=now)
    )


def pay_due_months(*, customer_id: int, by: Actor, now: datetime) -> list[UUID]:
    """Pays from credit each unpaid month of the customer that the balance covers. Returns the paid invoices.

    A failure here leaves the month to the next renewal run, and does not undo what the caller has committed.

    Locks: Account, Organization, Subscription. Transaction: owns, one for each subscription; a session that is open
    for the month is closed at Stripe before, outside any transaction.
    """
    invoices = Invoice.objects.filter(customer_id=customer_id, status=Invoice.Status.PAID)
    paid_before = set(invoices.values_list("id", flat=True))
    try:
        for subscription in unpaid_subscriptions(now=now).filter(customer_id=customer_id).order_by("created_at"):
            if subscription.paid_by == Subscription.PaidBy.STRIPE:
                pay_stripe_months(subscription_id=subscription.id, by=by, now=now)
            elif _covers(subscription):
                renew_subscription(subscription_id=subscription.id, by=by, now=now)
    except DatabaseError as error:
        logger.warning("due_months_left", customer_id=customer_id, error=type(error).__name__)
    paid = invoices.exclude(id__in=paid_before).order_by("period_start")
    return list(paid.values_list("id", flat=True))


def _covers(subscription: Subscription) -> bool:
    """Returns whether the customer's credit covers the month, with the part that the month's open payment holds.

    This reads without a lock, so that no payment is requested for a month that it does not cover.
    """
    held = Order.objects.filter(renews=subscription, status=Order.Status.PENDING).values_list(
        "credit_applied_minor", flat=True
    )
    account = Account.objects.get(customer_id=subscription.customer_id)
    return account.available_minor + sum(held) >= next_month_minor(subscription)
