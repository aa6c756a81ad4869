"""Reminds customers of a renewal that is near, or that their credit will not cover it: one mail for each month."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from billing.models import Subscription
from billing.queries import balance_of
from billing.use_cases.mail.send_templated_mail import is_mail_configured
from orders.use_cases.checkout.month_price import next_month_minor
from orders.use_cases.mail.queue_mail import Mail, queue_mail

# Limits a transaction: its subscriptions stay locked until it ends.
MAX_BATCH = 100


def remind_of_renewals(*, now: datetime | None = None) -> int:
    """Queues a mail for each subscription that renews within RENEWAL_REMINDER_DAYS, and returns how many.

    Locks: Subscription, without waiting. Transaction: owns, one for each batch. Idempotency: one mail for each month.
    """
    if not settings.RENEWAL_REMINDER_DAYS or not is_mail_configured():
        return 0
    queued = 0
    while batch := _queue_batch(now or timezone.now()):
        queued += batch
    return queued


@transaction.atomic
def _queue_batch(now: datetime) -> int:
    near = Subscription.objects.filter(
        Q(reminded_of=None) | Q(reminded_of__lt=F("current_period_end")),
        status=Subscription.Status.ACTIVE,
        cancel_at_period_end=False,
        amount_minor__gt=0,
        current_period_end__gt=now,
        current_period_end__lte=now + timedelta(days=settings.RENEWAL_REMINDER_DAYS),
    )
    # Races with a renewal or a change of plan, which locks it: the next round takes it.
    locked = list(near.select_for_update(no_key=True, skip_locked=True, of=("self",))[:MAX_BATCH])
    Subscription.objects.filter(pk__in=[each.pk for each in locked]).update(reminded_of=F("current_period_end"))
    for subscription in locked:
        queue_mail(Mail.RENEWAL_AHEAD, subscription.id)
    return len(locked)


def is_covered(subscription: Subscription) -> bool:
    """Tells whether today's credit covers this renewal, and the customer's others that credit pays until then."""
    if subscription.paid_by == Subscription.PaidBy.STRIPE:
        return True
    due = Subscription.objects.filter(
        customer=subscription.customer,
        paid_by=Subscription.PaidBy.CREDIT,
        status=Subscription.Status.ACTIVE,
        cancel_at_period_end=False,
        current_period_end__lte=subscription.current_period_end,
    )
    balance = balance_of(user_id=subscription.customer.user_id, with_lots=True)
    expired_by_then = sum(
        lot.expiring_minor
        for lot in balance.lots
        if lot.expires_at is not None and lot.expires_at <= subscription.current_period_end
    )
    return balance.available_minor - expired_by_then >= sum(next_month_minor(each) for each in due)
