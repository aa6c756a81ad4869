"""Create Checkout Sessions at the sandbox, with a small basket of a plan and an add-on."""

from typing import Any

import stripe

SUCCESS_URL = "http://shop.example/done?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://shop.example/basket"
PLAN_MINOR = 12_000
ADDON_MINOR = 3_000
CREDIT_MINOR = 7_340


def line(name: str, amount: int, *, currency: str = "omr", interval: str | None = "month") -> dict[str, Any]:
    """One line item with an inline price."""
    price: dict[str, Any] = {"currency": currency, "unit_amount": amount, "product_data": {"name": name}}
    if interval:
        price["recurring"] = {"interval": interval}
    return {"price_data": price, "quantity": 1}


def create_coupon(client: stripe.StripeClient, amount: int = CREDIT_MINOR) -> str:
    """A coupon that takes credit off once; returns its id."""
    made = client.v1.coupons.create({"amount_off": amount, "currency": "omr", "duration": "once", "name": "Credit"})
    return made.id


def session_parameters(**more: Any) -> dict[str, Any]:
    """The parameters of a session for a plan of 12 OMR and an add-on of 3 OMR."""
    return {
        "mode": "subscription",
        "line_items": [line("Plan M", PLAN_MINOR), line("Backup", ADDON_MINOR)],
        "client_reference_id": "order-1",
        "metadata": {"order": "1", "tenant": "t1"},
        "subscription_data": {"metadata": {"order": "1"}},
        "success_url": SUCCESS_URL,
        "cancel_url": CANCEL_URL,
    } | more


def open_session(client: stripe.StripeClient, key: str | None = None, **more: Any) -> stripe.checkout.Session:
    """Create a session."""
    options: Any = {"idempotency_key": key} if key else {}
    parameters: Any = session_parameters(**more)
    return client.v1.checkout.sessions.create(parameters, options)


def open_with_credit(client: stripe.StripeClient, **more: Any) -> stripe.checkout.Session:
    """Create a session for a customer who pays 7.340 OMR from credit."""
    customer = client.v1.customers.create({"email": "ada@example.org", "name": "Ada"})
    return open_session(client, customer=customer.id, discounts=[{"coupon": create_coupon(client)}], **more)
