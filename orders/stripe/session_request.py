"""The parameters of a Checkout Session, derived from an order. Nothing here calls Stripe."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from orders.models.basket import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """The Checkout Session that an order needs. Amounts are in the currency's smallest unit.

    A recurring session charges the lines' prices every month and takes the credit off the first month only. A session
    that is not recurring charges the lines' prices once.

    An order always requests the same values, because Stripe refuses an idempotency key that comes with others. After
    its customer was replaced, an order uses another key.
    """

    order_id: UUID
    tenant_id: UUID
    lines: tuple[Line, ...]
    credit_minor: int
    currency: str
    customer_id: str
    expires_at: datetime
    recurring: bool = True


def page_after_payment(session_id: str = "") -> str:
    """Returns the page to which Stripe sends a customer who has paid the session."""
    return settings.CHECKOUT_SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session_id)


def session_params(request: SessionRequest) -> dict[str, Any]:
    """Returns the parameters by which Stripe makes the session, apart from the coupon of its credit."""
    metadata = {"order_id": str(request.order_id), "tenant_id": str(request.tenant_id)}
    every_month = {"recurring": {"interval": "month"}} if request.recurring else {}
    return {
        "mode": "subscription" if request.recurring else "payment",
        "customer": request.customer_id,
        "client_reference_id": str(request.order_id),
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": request.currency.lower(),
                    "unit_amount": line.price_minor,
                    **every_month,
                    "product_data": {"name": line.name, "metadata": {"slug": line.slug}},
                },
            }
            for line in request.lines
        ],
        "metadata": metadata,
        ("subscription_data" if request.recurring else "payment_intent_data"): {"metadata": metadata},
        "expires_at": int(request.expires_at.timestamp()),
        "success_url": settings.CHECKOUT_SUCCESS_URL,
        "cancel_url": settings.CHECKOUT_CANCEL_URL,
    }
