"""Renews a subscription that credit pays, month by month.

Each due month, oldest first, is decided under the locks of Account, Organization and Subscription:

    credit covers it         order complete, spend, invoice paid, period moved, `subscription.renewed`, all in one
                             transaction
    credit does not cover    invoice open, subscription past due, one mail; available credit is held, the order is
                             pending; after the commit a one-off Checkout Session for the rest is requested from
                             Stripe (open_payment.py)
    Stripe not configured    subscription past due; every run tries the credit again
    its owner cancelled it   subscription cancelled, organization suspended, `subscription.canceled`
    the days of grace over   the session is closed at Stripe first; then the subscription is cancelled, the invoice
                             void, the organization suspended, `subscription.canceled`

While a payment of the month is open or processing, nothing else is done about the month. The session is closed at
Stripe first. If Stripe does not confirm that it is closed, the month waits for the next run. A month that falls due
during another checkout of the organization becomes past due, with a mail that has no link. The days of grace count
from the first time that credit did not cover the month, not from the period's end, so a late job does not shorten
them.

A subscription that ends this way leaves an organization that nothing pays for. It is suspended until its next
checkout.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.locks import lock_account, lock_organization
from billing.models import Account, Subscription
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import spend_credit
from orders.errors import PaymentProcessorError
from orders.locks import lock_subscription
from orders.models import Order, Payment
from orders.models.charge import split_total
from orders.process_lock import process_key
from orders.queries.orders import end_of_grace
from orders.stripe import gateway
from orders.use_cases.checkout.month_price import next_month_minor
from orders.use_cases.checkout.new_order import renewal_parameters, write_order
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.payments.open_payment import LEASE, ask_processor
from orders.use_cases.payments.settle_payment import settle_session
from orders.use_cases.subscriptions.cancel_subscription import end_cancelled
from orders.use_cases.subscriptions.complete_renewal import (
    RENEWABLE_STATUSES,
    complete_renewal,
    find_due_period,
    open_invoice,
)
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event
from orders.use_cases.subscriptions.suspend_unpaid import suspend_unpaid

# Stripe keeps a session open for a day at most. A retry with the same key must stay within that day.
RENEWAL_SESSION_LIFETIME = timedelta(hours=23)
# After a refused or failed payment, the month's next payment is requested this much later.
RETRY_INTERVAL = timedelta(hours=1)


class RenewalOutcome(StrEnum):
    """The result of one month in a run."""

    NOT_DUE = "not_due"
    RENEWED = "renewed"
    PAST_DUE = "past_due"
    WAITING = "waiting"
    CANCELED = "canceled"


def renew_subscription(*, subscription_id: UUID, by: Actor, now: datetime | None = None) -> list[RenewalOutcome]:
    """Renews every due month that credit covers, and takes the next step for the first one that it does not cover.

    Returns: the outcome of each month. Transaction: owns, one for each month; no call to Stripe in any.
    Idempotency: a month is renewed once, also where this runs often, late or in parallel.
    """
    moment = now or timezone.now()
    outcomes: list[RenewalOutcome] = []
    while not outcomes or outcomes[-1] == RenewalOutcome.RENEWED:
        if _payment_is_closed(subscription_id, by=by, now=moment):
            outcomes.append(_renew_month(subscription_id, by=by, now=moment))
        else:
            outcomes.append(RenewalOutcome.WAITING)
    return outcomes


def _payment_is_closed(subscription_id: UUID, *, by: Actor, now: datetime) -> bool:
    """Returns whether no payment of the renewal is open. Closes and settles an open one that has a reason to end.

    This reads without a lock. Settling and renewing lock, read again, and decide.
    """
    order = (
        Order.objects.select_related("payment", "renews")
        .filter(renews_id=subscription_id, status=Order.Status.PENDING)
        .first()
    )
    if order is None or order.renews is None:
        return True
    if order.payment.status != Payment.Status.OPEN:
        return False
    available_minor = Account.objects.get(customer_id=order.customer_id).available_minor
    reasons_to_close = (
        order.payment.expires_at <= now,
        available_minor + order.credit_applied_minor >= order.total_minor,
        order.renews.status not in RENEWABLE_STATUSES,
        order.renews.cancel_at_period_end,
        _grace_is_over(order.renews, now=now),
    )
    if not any(reasons_to_close):
        return False
    try:
        session = gateway.expire_session(order.payment.session_id or "")
    except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured):
        return False
    settle_session(order_id=order.id, session=session, by=by)
    return not Order.objects.filter(id=order.id, status=Order.Status.PENDING).exists()


def _renew_month(subscription_id: UUID, *, by: Actor, now: datetime) -> RenewalOutcome:
    configured = gateway.is_configured()
    customer_id, organization_id = Subscription.objects.values_list("customer_id", "organization_id").get(
        id=subscription_id
    )
    with transaction.atomic():
        account = lock_account(customer_id=customer_id)
        lock_organization(organization_id=organization_id)
        subscription = lock_subscription(subscription_id=subscription_id)
        if not _is_due(subscription, now=now):
            return RenewalOutcome.NOT_DUE
        if subscription.cancel_at_period_end:
            end_cancelled(subscription, by=by, now=now)
            return RenewalOutcome.CANCELED
        _follow_vat_rate(subscription)
        if subscription.amount_minor <= account.available_minor:
            _pay_from_credit(subscription, by=by, now=now)
            return RenewalOutcome.RENEWED
        may_be_paid = _may_be_paid(subscription)
        if _grace_is_over(subscription, now=now) and not may_be_paid:
            _cancel(subscription, by=by, now=now)
            return RenewalOutcome.CANCELED
        newly_past_due = _mark_past_due(subscription, now=now)
        order = None
        if not may_be_paid and configured and not _failed_recently(subscription, now=now):
            order = _request_payment(subscription, account, by=by, now=now)
        if order is None:
            if newly_past_due:
                queue_mail(Mail.PAST_DUE, open_invoice(subscription, period=find_due_period(subscription)).id)
            return RenewalOutcome.WAITING if may_be_paid else RenewalOutcome.PAST_DUE
    with suppress(PaymentProcessorError):
        ask_processor(order_id=order.id, by=by)
    return RenewalOutcome.PAST_DUE


def _is_due(subscription: Subscription, *, now: datetime) -> bool:
    return (
        subscription.paid_by == Subscription.PaidBy.CREDIT
        and subscription.status in RENEWABLE_STATUSES
        and subscription.current_period_end <= now
    )


def _follow_vat_rate(subscription: Subscription) -> None:
    """Gives the subscription the price that the due month has by the VAT of its first day."""
    amount_minor = next_month_minor(subscription)
    if amount_minor != subscription.amount_minor:
        subscription.amount_minor = amount_minor
        subscription.save(update_fields=["amount_minor"])


def _grace_is_over(subscription: Subscription, *, now: datetime) -> bool:
    end = end_of_grace(subscription)
    return end is not None and end <= now


def _may_be_paid(subscription: Subscription) -> bool:
    """Returns whether Stripe may still take money, for an open order or by a session that needs cleanup."""
    return (
        Order.objects.filter(organization_id=subscription.organization_id, status=Order.Status.PENDING).exists()
        or Payment.objects.filter(order__renews=subscription, needs_stripe_cleanup=True).exists()
    )


def _failed_recently(subscription: Subscription, *, now: datetime) -> bool:
    return Order.objects.filter(
        renews=subscription,
        period_start=subscription.current_period_end,
        status=Order.Status.FAILED,
        created_at__gt=now - RETRY_INTERVAL,
    ).exists()


def _pay_from_credit(subscription: Subscription, *, by: Actor, now: datetime) -> None:
    order = _write_order(
        subscription, credit_minor=subscription.amount_minor, status=Order.Status.COMPLETED, by=by, now=now
    )
    if order.total_minor:
        spend_credit(customer_id=order.customer_id, amount_minor=order.total_minor, order_id=order.id, by=by)
    complete_renewal(order=order, now=now)


def _mark_past_due(subscription: Subscription, *, now: datetime) -> bool:
    """Makes the subscription past due and opens the month's invoice; False where that was done before."""
    if subscription.past_due_since is not None:
        return False
    subscription.status, subscription.past_due_since = Subscription.Status.PAST_DUE, now
    subscription.save(update_fields=["status", "past_due_since"])
    period = find_due_period(subscription)
    open_invoice(subscription, period=period)
    record_subscription_event("subscription.past_due", subscription, period=period)
    return True


def _request_payment(subscription: Subscription, account: Account, *, by: Actor, now: datetime) -> Order | None:
    """Holds the available credit, and records the intent to request the rest; None where it cannot be charged."""
    split = split_total(
        total_minor=subscription.amount_minor,
        credit_minor=account.available_minor,
        currency=subscription.currency,
        minimum_minor=settings.STRIPE_MINIMUM_CHARGE_MINOR,
    )
    if split is None:
        return None
    credit_minor, charged_minor = split
    order = _write_order(subscription, credit_minor=credit_minor, status=Order.Status.PENDING, by=by, now=now)
    Payment.objects.create(
        order=order,
        amount_minor=charged_minor,
        currency=order.currency,
        requested_at=now,
        leased_until=now + LEASE,
        process_key=process_key(),
        expires_at=now + RENEWAL_SESSION_LIFETIME,
    )
    invoice = open_invoice(subscription, period=find_due_period(subscription))
    invoice.order_id = order.id
    invoice.save(update_fields=["order_id"])
    if credit_minor:
        hold_credit(customer_id=order.customer_id, amount_minor=credit_minor, order_id=order.id)
    return order


def _cancel(subscription: Subscription, *, by: Actor, now: datetime) -> None:
    """Ends the subscription after its days of grace. The caller holds the organization's and its locks."""
    period = find_due_period(subscription)
    end_subscriptions(Subscription.objects.filter(id=subscription.id), now=now)
    suspend_unpaid(
        lock_subscription(subscription_id=subscription.id),
        status_before=subscription.status,
        period=period,
        by=by,
        reason="the month was not paid within the days of grace",
    )


def _write_order(
    subscription: Subscription, *, credit_minor: int, status: Order.Status, by: Actor, now: datetime
) -> Order:
    """Writes the renewal's order: the first order's basket, at the subscription's price."""
    first = Order.objects.get(id=subscription.order_id)
    return write_order(
        renewal_parameters(
            first=first,
            subscription=subscription,
            total_minor=subscription.amount_minor,
            credit_minor=credit_minor,
            period_start=subscription.current_period_end,
            by=by,
            now=now,
        ),
        status=status,
    )
