"""The calls to Stripe about subscriptions and their invoices."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import stripe

from orders.models.basket import Line
from orders.stripe.gateway import (
    Refused,
    Resource,
    Unanswered,
    call_stripe,
    idempotency_options,
    list_invoice_payments,
    list_pages,
)
from orders.stripe.payloads import Object


def retrieve_subscription(subscription_id: str) -> Object:
    """Retrieves a subscription as it is now. Raises: Refused, Unanswered, NotConfigured."""
    return call_stripe(lambda client: client.v1.subscriptions.retrieve(subscription_id)).to_dict()


def cancel_subscription(subscription_id: str) -> None:
    """Ends a subscription at once; one that has ended already is no failure. Raises: Unanswered, NotConfigured."""
    try:
        call_stripe(lambda client: client.v1.subscriptions.cancel(subscription_id))
    except Refused as error:
        # Stripe refuses to cancel an ended subscription. Any other that it refuses would go on charging the card.
        if not has_ended(subscription_id):
            raise Unanswered(str(error)) from error


def set_cancel_at_period_end(subscription_id: str, *, ends: bool) -> None:
    """Sets whether a subscription ends with its period; one that has ended already is no failure.

    Raises: Unanswered, NotConfigured.
    """
    try:
        call_stripe(lambda client: client.v1.subscriptions.update(subscription_id, {"cancel_at_period_end": ends}))
    except Refused as error:
        if not has_ended(subscription_id):
            raise Unanswered(str(error)) from error


def list_items(subscription_id: str) -> list[Object]:
    """Lists the items of a subscription, each with its product. Raises: Refused, Unanswered, NotConfigured."""
    pages = list_pages(Resource.SUBSCRIPTION_ITEMS, subscription=subscription_id, expand=["data.price.product"])
    return [item for page in pages for item in page]


def read_slug(item: Object) -> str:
    """Returns the slug of what an item of a subscription sells; empty where its product, expanded, has none."""
    product = (item.get("price") or {}).get("product")
    return str((product.get("metadata") or {}).get("slug") or "") if isinstance(product, Mapping) else ""


def set_next_prices(subscription_id: str, items: Sequence[Object], lines: Sequence[Line], *, currency: str) -> None:
    """Gives a subscription these prices from its next month on; the current month stays as it is.

    Each price has a product of its own, because Stripe may have archived the one of an earlier price.

    Args: items: as `list_items` returns them, one for each line, whose slug its product has.
    Raises: Refused, Unanswered, NotConfigured. Idempotency: an item that has its price already is left as it is.
    """
    wanted = {line.slug: line for line in lines}
    changed = [
        {"id": item["id"], "price": _create_price(line, subscription_id=subscription_id, currency=currency)}
        for item in items
        if (line := wanted[read_slug(item)]).price_minor != item["price"]["unit_amount"]
    ]
    params: Any = {"items": changed, "proration_behavior": "none"}
    if changed:
        call_stripe(lambda client: client.v1.subscriptions.update(subscription_id, params))


def _create_price(line: Line, *, subscription_id: str, currency: str) -> str:
    params: Any = {
        "currency": currency.lower(),
        "unit_amount": line.price_minor,
        "recurring": {"interval": "month"},
        "product_data": {"name": line.name, "metadata": {"slug": line.slug}},
    }
    key = f"price-{subscription_id}-{line.slug}-{line.price_minor}"
    return call_stripe(lambda client: client.v1.prices.create(params, idempotency_options(key))).id


def has_ended(subscription_id: str) -> bool:
    """Returns whether Stripe charges nothing more for a subscription. Raises: Unanswered, NotConfigured."""
    try:
        return retrieve_subscription(subscription_id)["status"] in ("canceled", "incomplete_expired")
    except Refused:
        return True


def void_open_invoices(*, subscription_id: str) -> None:
    """Voids a subscription's unpaid invoices, so that they cannot be paid any more.

    Raises: Unanswered, NotConfigured; Refused where an invoice was paid after it was listed: a retry skips it.
    """
    refusal: Refused | None = None
    for page in list_pages(Resource.INVOICES, subscription=subscription_id, status="open"):
        for invoice in page:
            try:
                call_stripe(partial(_void_invoice, str(invoice["id"])))
            except Refused as error:
                # The others are voided nevertheless.
                refusal = error
    if refusal is not None:
        raise refusal


def _void_invoice(invoice_id: str, client: stripe.StripeClient) -> stripe.Invoice:
    return client.v1.invoices.void_invoice(invoice_id)


def pay_invoice_out_of_band(*, order_id: UUID, invoice_id: str) -> str:
    """Marks an open invoice as paid without its card, and returns the invoice's status.

    Stripe refuses it for an invoice that is paid or void, also where an earlier try paid it.
    Raises: Refused, Unanswered, also where the invoice is still open; NotConfigured.
    """
    try:
        call_stripe(
            lambda client: client.v1.invoices.pay(
                invoice_id, {"paid_out_of_band": True}, idempotency_options(f"out-of-band-{order_id}")
            )
        )
    except Refused as error:
        status = call_stripe(lambda client: client.v1.invoices.retrieve(invoice_id)).status or ""
        if status in ("draft", "open"):
            raise Unanswered(str(error)) from error
        return status
    return "paid"


def was_paid_by_card(*, invoice_id: str) -> bool:
    """Returns whether a payment to Stripe settled the invoice. Raises: Refused, Unanswered, NotConfigured."""
    paid = [each for each in list_invoice_payments(invoice_id) if each.get("status") == "paid"]
    return any((each.get("payment") or {}).get("type") in ("payment_intent", "charge") for each in paid)
