from datetime import datetime

from billing.actor import Actor
from billing.models import Organization, Subscription
from billing.use_cases.record_audit import record_audit
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event

# The reason of a subscription's end that its owner asked for.
OWNER_CANCELLED = "cancelled by its owner"


def suspend_unpaid(
    subscription: Subscription,
    *,
    status_before: str,
    period: tuple[datetime, datetime],
    by: Actor,
    reason: str,
    send_mail: bool = True,
) -> None:
    """Suspends the organization of a subscription that ended without a successor, since nothing pays for it any more.

    The next checkout makes the organization active again. `subscription.canceled` is recorded and the customer gets a
    mail. The caller holds the organization's and the subscription's locks, and has ended the subscription.

    Args: status_before: the subscription's status before it ended. period: the month that is not paid, or the last
    paid one. send_mail: False where another mail tells the customer.
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
        changes={"status": [status_before, subscription.status], "suspended": [False, suspended]},
        reason=reason,
    )
    record_subscription_event("subscription.canceled", subscription, period=period)
    if send_mail:
        queue_mail(Mail.CANCELED, subscription.id)
