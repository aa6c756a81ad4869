"""What other systems are told of an order: the `data` of `order.placed`."""

from typing import Any
from uuid import UUID

from django.conf import settings

from billing.money import to_major
from orders.models.basket import Basket


def order_placed_data(
    *, basket: Basket, user_id: str, tenant_id: UUID, subdomain: str, status: str
) -> dict[str, Any]:
    """The event's data, all but the order's id. OMR figures are repeated while the currency is OMR."""
    currency: str = settings.SOVEREIGN_CURRENCY
    total_minor = basket.total_minor
    data: dict[str, Any] = {
        "customer_id": user_id,
        "tenant_id": str(tenant_id),
        "plan_id": str(basket.plan.item_id),
        "apps": list(basket.apps),
        "addons": list(basket.addons),
        "amount_minor": total_minor,
        "currency": currency,
        "status": status,
        "subdomain": subdomain,
    }
    if currency == "OMR":
        data |= {"amount_omr": to_major(total_minor, currency=currency), "amount_baisa": total_minor}
    return data
