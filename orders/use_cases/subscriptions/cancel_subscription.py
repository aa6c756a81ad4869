"""A subscription's owner cancels it, now or at the end of the paid month, and resumes it before that end.

What is recorded here is the intent: a job gives it to Stripe where Stripe charges the subscription, and the renewal
run ends a subscription that credit pays. Cancelling now does not credit the rest of the month: only a change of plan
does. An owner who wants to use the rest cancels at the period's end.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.jobs import enqueue, enqueue_once
from billing.models import Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.organization_roles import Act
from billing.queries import subscription_of
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit
from orders.errors import SubscriptionEnded
from orders.locks import lock_subscription
from orders.models import Order
from orders.stripe import subscriptions as stripe_subscriptions
from orders.use_cases.subscriptions.complete_renewal import find_due_period
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions
from orders.use_cases.subscriptions.suspend_unpaid import OWNER_CANCELLED, suspend_unpaid


class CancelAt(StrEnum):
    """The moment at which a cancelled subscription ends."""

    PERIOD_END = "period_end"
    NOW = "now"


def cancel_subscription(
    *, organization_id: UUID, at: CancelAt, by: Actor, now: datetime | None = None
) -> Subscription:
    """Cancels the subscription of one of the caller's organizations. Its organization is suspended when it ends.

    Raises: OrganizationNotFound, OrganizationRoleTooLow, SubscriptionNotFound; SubscriptionEnded, unless it is to end
    now.
    Locks: Organization, Subscription. Transaction: owns. Idempotency: a second call changes nothing.
    """
    moment = now or timezone.now()
    with transaction.atomic():
        subscription = _lock(organization_id, by=by)
        if subscription.status in ENDED_STATUSES:
            if at == CancelAt.NOW:
                return subscription
            raise SubscriptionEnded
        if at == CancelAt.NOW or _is_due(subscription, now=moment):
            return end_cancelled(subscription, by=by, now=moment)
        return _end_with_period(subscription, ends=True, by=by)


def resume_subscription(*, organization_id: UUID, by: Actor) -> Subscription:
    """Takes a cancellation at the period's end back.

    Raises: OrganizationNotFound, OrganizationRoleTooLow, SubscriptionNotFound, SubscriptionEnded.
    Locks: Organization, Subscription. Transaction: owns.
    Idempotency: a subscription that is not cancelled stays as it is.
    """
    with transaction.atomic():
        subscription = _lock(organization_id, by=by)
        if subscription.status in ENDED_STATUSES:
            raise SubscriptionEnded
        return _end_with_period(subscription, ends=False, by=by)


def end_cancelled(subscription: Subscription, *, by: Actor, now: datetime) -> Subscription:
    """Ends a subscription that its owner cancelled, and suspends its organization.

    The caller holds the organization's and the subscription's locks. Transaction: joins; a job closes the open
    payment of an unpaid month, and one ends the subscription at Stripe.
    """
    end_subscriptions(Subscription.objects.filter(id=subscription.id), now=now)
    ended = lock_subscription(subscription_id=subscription.id)
    is_due = _is_due(ended, now=now)
    suspend_unpaid(
        ended,
        status_before=subscription.status,
        period=find_due_period(ended) if is_due else (ended.current_period_start, ended.current_period_end),
        by=by,
        reason=OWNER_CANCELLED,
    )
    if Order.objects.filter(renews=ended, status=Order.Status.PENDING).exists():
        enqueue_once("renew_subscription", key=f"subscription:{ended.id}", subscription_id=str(ended.id))
    return ended


def find_unsent_cancellations() -> list[UUID]:
    """Finds the subscriptions whose cancellation or resumption Stripe has yet to learn. One query."""
    unsent = Subscription.objects.filter(cancel_to_send=True).exclude(status__in=ENDED_STATUSES)
    return list(unsent.values_list("id", flat=True))


def send_cancellation(*, subscription_id: UUID) -> None:
    """Gives Stripe what is recorded now: whether the subscription ends with its period.

    Raises: gateway.Unanswered, gateway.Refused, gateway.NotConfigured; the job retries.
    Transaction: owns, after the call. Idempotency: Stripe is given a state, not a change.
    """
    known = Subscription.objects.get(id=subscription_id)
    if not known.cancel_to_send or known.status in ENDED_STATUSES:
        return
    stripe_subscriptions.set_cancel_at_period_end(known.stripe_subscription_id, ends=known.cancel_at_period_end)
    # The owner may have decided otherwise during the call. Then it stays to be sent.
    Subscription.objects.filter(id=subscription_id, cancel_at_period_end=known.cancel_at_period_end).update(
        cancel_to_send=False
    )


def _is_due(subscription: Subscription, *, now: datetime) -> bool:
    """Returns whether the paid month is over. Stripe says so itself of a subscription that it charges."""
    return subscription.paid_by == Subscription.PaidBy.CREDIT and subscription.current_period_end <= now


def _lock(organization_id: UUID, *, by: Actor) -> Subscription:
    # Races with the organization's deletion, and with a checkout for it, which may replace the subscription.
    authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_SUBSCRIPTION, lock=True)
    found = subscription_of(organization_id=organization_id)
    return lock_subscription(subscription_id=found.id)


def _end_with_period(subscription: Subscription, *, ends: bool, by: Actor) -> Subscription:
    if subscription.cancel_at_period_end == ends:
        return subscription
    subscription.cancel_at_period_end = ends
    if subscription.paid_by == Subscription.PaidBy.STRIPE:
        subscription.cancel_to_send = True
        enqueue("send_cancellation", lock=f"subscription:{subscription.id}", subscription_id=str(subscription.id))
    subscription.save(update_fields=["cancel_at_period_end", "cancel_to_send"])
    record_audit(
        action="subscription.cancel_scheduled" if ends else "subscription.resumed",
        object_type="subscription",
        object_id=str(subscription.id),
        by=by,
        changes={"cancel_at_period_end": [not ends, ends]},
    )
    return subscription
