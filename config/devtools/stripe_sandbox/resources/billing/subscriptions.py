"""Subscriptions: a completed session creates them; they can be read, updated, and cancelled now or at period end.

Statuses: `incomplete` until the first payment, `active`, `past_due` after a declined invoice, `canceled`. As in API
versions since 2025-03-31, the items hold the period. An item may get another price of the same interval, from the
next invoice on. Not reproduced: creating one through the API, trials, adding and removing items, proration, pauses,
schedules.
"""

from typing import Any

from stripe.params import (
    SubscriptionCancelParams,
    SubscriptionItemListParams,
    SubscriptionListParams,
    SubscriptionRetrieveParams,
    SubscriptionUpdateParams,
)

from config.devtools.stripe_sandbox.clock import BILLING, add_interval
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import BAD_REQUEST, invalid, missing, unsupported
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.billing.discounts import Line
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id, whole_list

_DETAILS = "cancellation_details.comment cancellation_details.feedback"
_SELF = {"account_tax_ids": None, "issuer": {"type": "self"}}
# Default values of a new subscription's fields.
_UNUSED: Object = {
    "application": None,
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor_config": None,
    "billing_mode": {"type": "classic"},
    "billing_schedules": [],
    "billing_thresholds": None,
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    "collection_method": "charge_automatically",
    "customer_account": None,
    "days_until_due": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "ended_at": None,
    "invoice_settings": _SELF,
    "latest_invoice": None,
    "next_pending_invoice_item_invoice": None,
    "on_behalf_of": None,
    "pause_collection": None,
    "payment_settings": {
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    "pending_invoice_item_interval": None,
    "pending_setup_intent": None,
    "pending_update": None,
    "schedule": None,
    "test_clock": None,
    "transfer_data": None,
    "trial_end": None,
    "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    "trial_start": None,
}


def make_subscription(
    world: World, *, customer: Object, lines: list[Line], metadata: Object, method: Object | None
) -> Object:
    """Create a subscription to the recurring lines, before its first payment."""
    start = world.clock.now(BILLING)
    recurring = lines[0].price["recurring"]
    identifier = new_id("sub")
    end = add_interval(start, recurring["interval"], recurring["interval_count"])
    items = [_item(world, identifier, line, start, end) for line in lines]
    made = world.make(
        "subscription",
        {
            **_UNUSED,
            "billing_cycle_anchor": start,
            "currency": lines[0].price["currency"],
            "customer": customer["id"],
            "default_payment_method": method["id"] if method else None,
            "items": whole_list(items, f"/v1/subscription_items?subscription={identifier}"),
            "metadata": metadata,
            "start_date": start,
            "status": "incomplete",
            "_sandbox": {"periods": 1},
        },
        identifier=identifier,
        clock=BILLING,
    )
    world.store.set_timer(BILLING, end, "renew", identifier)
    return made


def _plan_of(price: Object) -> Object:
    """Return the plan that older clients read in place of the price."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": price["recurring"]["usage_type"],
    }


def _item(world: World, subscription: str, line: Line, start: int, end: int) -> Object:
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": start,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": _plan_of(line.price),
        "price": line.price,
        "quantity": line.quantity,
        "subscription": subscription,
        "tax_rates": [],
        "_sandbox": {"description": line.description},
    }


def recurring_lines(subscription: Object) -> list[Line]:
    """Return the lines that every period charges: all items in full."""
    return [
        Line(item["price"], item["quantity"], item["_sandbox"]["description"])
        for item in subscription["items"]["data"]
    ]


def period_of(subscription: Object) -> tuple[int, int]:
    """Return the current period, which all items share."""
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def move_period(world: World, subscription: Object, start: int, end: int) -> Object:
    """Start the next period. Return the previous values."""
    items = [
        item | {"current_period_start": start, "current_period_end": end} for item in subscription["items"]["data"]
    ]
    return world.change(subscription, items=subscription["items"] | {"data": items})


def set_status(world: World, subscription: Object, status: str, **more: Any) -> None:
    """Set the status. Record an event if it changed."""
    before = world.change(subscription, status=status, **more)
    if before:
        world.record_event("customer.subscription.updated", subscription, before)


def end_subscription(world: World, subscription: Object, *, reason: str) -> None:
    """Cancel the subscription now. It gets no more invoices, and open ones are no longer collected."""
    now = world.clock.now(BILLING)
    world.change(
        subscription,
        cancel_at=None if not subscription["cancel_at_period_end"] else subscription["cancel_at"],
        canceled_at=subscription["canceled_at"] or now,
        cancellation_details=subscription["cancellation_details"] | {"reason": reason},
        ended_at=now,
        status="canceled",
    )
    for invoice in invoices_of(world, subscription["id"]):
        if invoice["status"] == "open":
            world.change(invoice, auto_advance=False, next_payment_attempt=None)
    world.record_event("customer.subscription.deleted", subscription)


def invoices_of(world: World, subscription: str) -> list[Object]:
    """Return the subscription's invoices, newest first."""
    return world.store.select("invoice", parent__subscription_details__subscription=subscription)


@endpoint("GET", "/v1/subscriptions/{id}", accept(SubscriptionRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return a subscription, even a cancelled one."""
    return world.get("subscription", identifier)


@endpoint(
    "POST",
    "/v1/subscriptions/{id}",
    accept(
        SubscriptionUpdateParams,
        f"cancel_at_period_end description items.id items.price metadata proration_behavior {_DETAILS}",
    ),
)
def update(world: World, identifier: str) -> Object:
    """Update a subscription, give items another price, or set or clear its cancellation at period end."""
    subscription = world.get("subscription", identifier)
    given = world.call.given
    if subscription["status"] == "canceled" and set(given) - {"cancellation_details", "metadata", "expand"}:
        raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
    fields: Object = {}
    if "metadata" in given:
        fields["metadata"] = world.merge_metadata(subscription, given["metadata"])
    if "description" in given:
        fields["description"] = given["description"] or None
    if "cancellation_details" in given:
        fields["cancellation_details"] = subscription["cancellation_details"] | given["cancellation_details"]
    if "cancel_at_period_end" in given:
        fields |= _end_with_period(world, subscription, given["cancel_at_period_end"], fields)
    if "items" in given:
        if given.get("proration_behavior") != "none":
            raise unsupported("proration_behavior other than none")
        fields["items"] = _with_prices(world, subscription, given["items"])
    before = world.change(subscription, **fields)
    if before:
        world.record_event("customer.subscription.updated", subscription, before)
    return subscription


def _with_prices(world: World, subscription: Object, given: list[Object]) -> Object:
    """Return the items with the given prices. The current period stays as it was billed."""
    items = {item["id"]: item for item in subscription["items"]["data"]}
    for number, change in enumerate(given):
        if "id" not in change or "price" not in change:
            raise unsupported("items without id and price")
        if change["id"] not in items:
            raise missing("subscription_item", change["id"], param=f"items[{number}][id]", status=BAD_REQUEST)
        item = items[change["id"]]
        price = world.get("price", change["price"], param=f"items[{number}][price]")
        _check_price(price, item["price"], param=f"items[{number}][price]")
        description = world.get("product", price["product"])["name"]
        items[item["id"]] = item | {
            "plan": _plan_of(price),
            "price": price,
            "_sandbox": {"description": description},
        }
    changed: Object = subscription["items"] | {"data": list(items.values())}
    return changed


def _check_price(price: Object, before: Object, *, param: str) -> None:
    if not price["active"]:
        raise invalid("The price specified is inactive. This field only accepts active prices.", param=param)
    if not price["recurring"] or price["currency"] != before["currency"]:
        raise invalid("The price is not a recurring one in the subscription's currency.", param=param)
    if any(price["recurring"][name] != before["recurring"][name] for name in ("interval", "interval_count")):
        raise unsupported("items with another interval")


def _end_with_period(world: World, subscription: Object, ends: bool, fields: Object) -> Object:
    details: Object = fields.get("cancellation_details") or subscription["cancellation_details"]
    return {
        "cancel_at": period_of(subscription)[1] if ends else None,
        "cancel_at_period_end": ends,
        "canceled_at": world.clock.now(BILLING) if ends else None,
        "cancellation_details": details | {"reason": "cancellation_requested" if ends else None},
    }


def set_end_with_period(world: World, subscription: Object, ends: bool) -> None:
    """Set or clear the cancellation at period end, for the buttons of the portal."""
    before = world.change(subscription, **_end_with_period(world, subscription, ends, {}))
    if before:
        world.record_event("customer.subscription.updated", subscription, before)


@endpoint("DELETE", "/v1/subscriptions/{id}", accept(SubscriptionCancelParams, f"invoice_now prorate {_DETAILS}"))
def cancel(world: World, identifier: str) -> Object:
    """Cancel now. A cancelled subscription is not found, as at Stripe."""
    subscription = world.get("subscription", identifier)
    given = world.call.given
    if subscription["status"] == "canceled":
        raise missing("subscription", identifier)
    for name in ("invoice_now", "prorate"):
        if given.get(name):
            raise unsupported(name)
    if "cancellation_details" in given:
        details = subscription["cancellation_details"] | given["cancellation_details"]
        world.change(subscription, cancellation_details=details)
    end_subscription(world, subscription, reason="cancellation_requested")
    return subscription


@endpoint(
    "GET",
    "/v1/subscriptions",
    accept(SubscriptionListParams, "created customer ending_before limit price starting_after status"),
)
def list_all(world: World) -> Object:
    """List subscriptions, newest first. Cancelled ones appear only if `status` is `all` or `canceled`."""
    given = world.call.given
    wanted = {"customer": given["customer"]} if "customer" in given else {}
    status = given.get("status")
    chosen = [
        each
        for each in world.store.select("subscription", **wanted)
        if status in ("all", each["status"]) or (status is None and each["status"] != "canceled")
    ]
    if "price" in given:
        chosen = [each for each in chosen if any(i["price"]["id"] == given["price"] for i in each["items"]["data"])]
    return world.page(chosen, "/v1/subscriptions")


@endpoint(
    "GET",
    "/v1/subscription_items",
    accept(SubscriptionItemListParams, "ending_before limit starting_after subscription", "subscription"),
)
def list_items(world: World) -> Object:
    """Return the items of a subscription."""
    subscription = world.get("subscription", world.call.given["subscription"], param="subscription")
    return world.page(subscription["items"]["data"], "/v1/subscription_items")
