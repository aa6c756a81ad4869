from billing.models import Invoice
from orders.stripe import subscriptions as stripe_subscriptions


def end_subscription_at_stripe(*, stripe_id: str) -> None:
    """Cancels a subscription at Stripe that has ended here, and voids its unpaid invoices there and here.

    Raises: gateway.Unanswered, gateway.Refused, gateway.NotConfigured; the job retries.
    Transaction: none around the calls. Idempotency: a cancelled subscription and a void invoice stay so.
    """
    stripe_subscriptions.cancel_subscription(stripe_id)
    stripe_subscriptions.void_open_invoices(subscription_id=stripe_id)
    # All unpaid ones, not only those that this try voided: an earlier try may have voided some and got no answer.
    # If an invoice was paid at Stripe, its event corrects the row.
    unpaid = Invoice.objects.filter(status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN])
    unpaid.filter(subscription__stripe_subscription_id=stripe_id).update(status=Invoice.Status.VOID)
