from uuid import UUID

from billing.actor import Actor
from orders.errors import OrderNotFound, PaymentInProgress
from orders.models import Order, Payment
from orders.use_cases.payments.close_lost_payment import close_lost_payment

_WHY = "the customer gave the payment up"


def give_up_payment(*, order_id: UUID, by: Actor) -> Order:
    """Closes the open payment of one of the caller's own orders: the credit that it holds is available again.

    Returns: the order, as it was settled: a payment that was made just before is not given up.
    Raises: OrderNotFound, also for another customer's order; PaymentNotOpen; PaymentInProgress while a bank processes
    the payment or Stripe is being asked for it; PaymentProcessorError if Stripe does not answer.
    Transaction: owns, after the calls to Stripe. Idempotency: a closed payment is not open.
    """
    order = Order.objects.select_related("payment").filter(id=order_id, customer__user_id=by.user_id).first()
    if order is None:
        raise OrderNotFound
    payment: Payment | None = getattr(order, "payment", None)
    if payment is not None and payment.status in (Payment.Status.REQUESTED, Payment.Status.PROCESSING):
        raise PaymentInProgress
    return close_lost_payment(order_id=order.id, why=_WHY, by=by)
