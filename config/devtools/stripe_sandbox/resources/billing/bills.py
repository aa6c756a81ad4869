"""The fields of a draft invoice for one period of a subscription."""

from config.devtools.stripe_sandbox.clock import BILLING
from config.devtools.stripe_sandbox.resources.billing.discounts import Line
from config.devtools.stripe_sandbox.resources.billing.subscriptions import period_of
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id, whole_list

# Fields that are the same in every draft.
_UNUSED: Object = {
    "account_country": "AE",
    "account_name": "Sandbox",
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": True,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "collection_method": "charge_automatically",
    "custom_fields": None,
    "customer_account": None,
    "customer_tax_exempt": "none",
    "customer_tax_ids": [],
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
    "test_clock": None,
    "total_taxes": [],
    "webhooks_delivered_at": None,
}


def invoice_fields(
    world: World,
    subscription: Object,
    *,
    customer: Object,
    lines: list[Line],
    discount: Object | None,
    reason: str,
) -> Object:
    """Return the fields of a draft, including its `id`, because the lines refer to it."""
    identifier = new_id("in")
    now = world.clock.now(BILLING)
    subtotal = sum(line.subtotal for line in lines)
    off = sum(line.discount for line in lines)
    total = subtotal - off
    taken = [{"amount": off, "discount": discount["id"]}] if discount else []
    begins = now if reason == "subscription_create" else subscription["start_date"]
    previous = subscription["_sandbox"].get("previous_period", [begins, now])
    return {
        **_UNUSED,
        "id": identifier,
        "amount_due": total,
        "amount_remaining": total,
        "billing_reason": reason,
        "currency": subscription["currency"],
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "discounts": [discount["id"]] if discount else [],
        "lines": whole_list(_lines(subscription, lines, discount, identifier), f"/v1/invoices/{identifier}/lines"),
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "period_end": now if reason == "subscription_create" else previous[1],
        "period_start": now if reason == "subscription_create" else previous[0],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_discount_amounts": taken,
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [each | {"type": "discount"} for each in taken],
    }


def _lines(subscription: Object, lines: list[Line], discount: Object | None, invoice: str) -> list[Object]:
    start, end = period_of(subscription)
    items = {item["price"]["id"]: item["id"] for item in subscription["items"]["data"]}
    made = []
    for line in lines:
        price = line.price
        item = items.get(price["id"])
        taken = [{"amount": line.discount, "discount": discount["id"]}] if discount else []
        details = {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item,
        }
        made.append(
            {
                "id": new_id("il"),
                "object": "line_item",
                "amount": line.subtotal,
                "currency": price["currency"],
                "description": f"{line.quantity} × {line.description}",  # noqa: RUF001 - as Stripe writes it
                "discount_amounts": taken,
                "discountable": True,
                "discounts": [],
                "invoice": invoice,
                "livemode": False,
                "metadata": dict(subscription["metadata"]),
                "parent": {
                    "invoice_item_details": None,
                    "subscription_item_details": details if item else None,
                    "type": "subscription_item_details" if item else "invoice_item_details",
                },
                "period": {"end": end if item else start, "start": start},
                "pretax_credit_amounts": [each | {"type": "discount"} for each in taken],
                "pricing": {
                    "price_details": {"price": price["id"], "product": price["product"]},
                    "type": "price_details",
                    "unit_amount_decimal": price["unit_amount_decimal"],
                },
                "quantity": line.quantity,
                "quantity_decimal": str(line.quantity),
                "subscription": subscription["id"],
                "subtotal": line.subtotal,
                "taxes": [],
            }
        )
    return made
