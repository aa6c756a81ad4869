from billing.models import Invoice
from orders.locks import lock_order
from orders.models import CardEntry

Kind = CardEntry.Kind


def record_month_refund(*, month: Invoice, refunded_minor: int) -> bool:
    """Posts what Stripe refunded of a month that it charged by itself, as far as it is not posted yet.

    A month that no card paid in our books has no payment to refund: its break shows it to staff.

    Args: refunded_minor: the total of all its refunds, smallest unit. Returns: whether an entry was posted.
    Locks: Order. Transaction: joins. Idempotency: by the total, so events may come twice and in any order.
    """
    paid = CardEntry.objects.filter(stripe_object_id=month.stripe_invoice_id, kind=Kind.PAYMENT).first()
    if paid is None or paid.order_id is None:
        return False
    # Races with another event about the same charge.
    lock_order(order_id=paid.order_id)
    left_minor = find_missing_refund(paid=paid, refunded_minor=refunded_minor)
    if not left_minor:
        return False
    CardEntry.objects.create(
        kind=Kind.REFUND,
        amount_minor=-left_minor,
        currency=paid.currency,
        order_id=paid.order_id,
        stripe_object_id=paid.stripe_object_id,
    )
    return True


def find_missing_refund(*, paid: CardEntry, refunded_minor: int) -> int:
    """Returns what is not posted yet of a payment's refunds. One query."""
    posted = CardEntry.objects.filter(stripe_object_id=paid.stripe_object_id, kind=Kind.REFUND)
    last_minor = posted.order_by("total_minor").values_list("total_minor", flat=True).first() or 0
    return max(0, min(refunded_minor, paid.amount_minor) + last_minor)
