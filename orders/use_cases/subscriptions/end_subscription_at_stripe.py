from billing.models import Invoice
from orders.stripe import gateway


def end_at_stripe(*, stripe_id: str) -> None:
    """Ends at Stripe what has ended here: it charges nothing more, and what is unpaid cannot be paid any more.

    Raises: gateway.Unanswered, gateway.Refused, gateway.NotConfigured, for the job to try again.
    Idempotency: what has ended there, or is void, stays so. Transaction: none around the calls.
    """
    gateway.cancel_subscription(stripe_id)
    gateway.void_open_invoices(subscription_id=stripe_id)
    # Not only what was made void just now: an earlier try may not have heard of its own. Events tell what was paid.
    unpaid = Invoice.objects.filter(status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN])
    unpaid.filter(subscription__stripe_subscription_id=stripe_id).update(status=Invoice.Status.VOID)
