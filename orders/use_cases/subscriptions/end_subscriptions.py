from datetime import datetime

from django.db.models import QuerySet

from billing.jobs import enqueue
from billing.models import Invoice, Subscription


def end_subscriptions(subscriptions: QuerySet[Subscription, Subscription], *, now: datetime) -> None:
    """Cancels subscriptions here, and by a job at Stripe. Unpaid invoices of months that credit pays become void.

    Transaction: joins; the job exists exactly when the change commits.
    """
    for subscription in subscriptions:
        subscription.status, subscription.canceled_at = Subscription.Status.CANCELED, now
        subscription.save(update_fields=["status", "canceled_at"])
        Invoice.objects.filter(
            subscription=subscription, stripe_invoice_id="", status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN]
        ).update(status=Invoice.Status.VOID)
        if subscription.stripe_subscription_id:
            enqueue("cancel_stripe_subscription", subscription_id=subscription.stripe_subscription_id)
