from datetime import datetime

from billing.actor import Actor
from billing.models import Organization, Subscription
from billing.use_cases.record_audit import record_audit
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event


def suspend_unpaid(
    subscription: Subscription,
    *,
    was: str,
    period: tuple[datetime, datetime],
    by: Actor,
    reason: str,
    letter: bool = True,
) -> None:
    """What follows when a subscription has ended and nothing took its place: nobody pays for its organization.

    It is suspended until the next checkout, `subscription.canceled` is told, and the customer written to.
    The caller holds the organization's and the subscription's locks and has ended the subscription.

    Args: was: the subscription's status before. period: the month that is not paid, or the last one. letter: False
    where another one tells the customer.
    Transaction: joins.
    """
    organization = subscription.organization
    suspended = organization.status == Organization.Status.ACTIVE
    if suspended:
        organization.status = Organization.Status.SUSPENDED
        organization.save(update_fields=["status"])
    record_audit(
        action="subscription.canceled",
        object_type="subscription",
        object_id=str(subscription.id),
        by=by,
        changes={"status": [was, subscription.status], "suspended": [False, suspended]},
        reason=reason,
    )
    record_subscription_event("subscription.canceled", subscription, period=period)
    if letter:
        queue_mail(Mail.CANCELED, subscription.id)
