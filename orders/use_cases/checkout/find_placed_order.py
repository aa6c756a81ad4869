from datetime import datetime

from billing.models import LedgerEntry
from billing.queries import balance_of
from orders.models import Order, Payment
from orders.models.basket import CheckoutRequest
from orders.stripe.session_request import page_after_payment
from orders.use_cases.checkout.batched_checkout import PlacedOrder
from orders.use_cases.documents.vat_of_sale import vat_of_order


def find_placed_order(request: CheckoutRequest, *, user_id: str, placed_at: datetime) -> PlacedOrder | None:
    """Finds the order that this request has placed at this instant. Three queries, four where a card pays."""
    order = (
        Order.objects.select_related("payment")
        .filter(
            customer__user_id=user_id,
            organization_id=request.tenant_id,
            kind=Order.Kind.PURCHASE,
            status__in=[Order.Status.PENDING, Order.Status.COMPLETED],
            created_at=placed_at,
        )
        .first()
    )
    if order is None:
        return None
    vat = vat_of_order(order.id)
    payment = getattr(order, "payment", None)
    if payment is not None:
        if payment.status == Payment.Status.REQUESTED:
            # The checkout has no answer yet: the same request continues it.
            return None
        return PlacedOrder(
            order_id=order.id,
            balance_minor=balance_of(user_id=user_id).credit_minor,
            paid_by_card=True,
            # Stripe takes the address from a session that was paid.
            session_url=payment.session_url or page_after_payment(payment.session_id or ""),
            vat=vat,
        )
    spent = LedgerEntry.objects.filter(order_id=order.id, kind=LedgerEntry.Kind.SPEND).first()
    balance_minor = spent.balance_after_minor if spent else balance_of(user_id=user_id).credit_minor
    return PlacedOrder(order_id=order.id, balance_minor=balance_minor, vat=vat)
