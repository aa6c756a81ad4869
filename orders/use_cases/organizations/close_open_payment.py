from uuid import UUID

from billing.actor import Actor
from billing.jobs import enqueue
from orders.errors import PaymentInProgress, PaymentNotOpen, PaymentProcessorError
from orders.models import Order, Payment
from orders.queries.orders import find_open_order
from orders.use_cases.payments.close_lost_payment import close_lost_payment


def close_open_payment(*, organization_id: UUID, why: str, by: Actor) -> bool:
    """Closes the open payment of an organization that ends, at Stripe first: its held credit is available again.

    A payment that a bank processes cannot be closed. When it arrives, it is refunded.

    Returns: False where Stripe did not answer, or is being asked for the payment right now; then try again later.
    Transaction: owns, after the calls to Stripe.
    """
    order = find_open_order(organization_id=organization_id)
    if order is None or order.payment.status == Payment.Status.PROCESSING:
        return True
    if order.payment.status == Payment.Status.REQUESTED:
        return False
    try:
        close_lost_payment(order_id=order.id, why=why, by=by)
    except (PaymentNotOpen, PaymentInProgress):
        # It was settled meanwhile, or is being paid.
        return True
    except PaymentProcessorError:
        return False
    return True


def enqueue_closing(*, organization_id: UUID, why: str) -> None:
    """Enqueues the closing of a payment that is open still, in the transaction that ends the organization."""
    if Order.objects.filter(organization_id=organization_id, status=Order.Status.PENDING).exists():
        enqueue("close_open_payment", organization_id=str(organization_id), why=why)
