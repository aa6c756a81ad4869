"""Checkout Sessions. The customer pays on the sandbox's own page.

A session has one of two modes: subscription, with at least one recurring price and a single interval, or payment. The
total is the sum of the lines minus at most one coupon. A session lasts 30 minutes to 24 hours and can be expired
while it is open. The sandbox does not reproduce setup mode, embedded and custom pages, trials, taxes, shipping,
promotion codes or adaptive pricing.
"""

from typing import Any

from stripe.params.checkout import (
    SessionCreateParams,
    SessionExpireParams,
    SessionLineItemListParams,
    SessionListParams,
    SessionRetrieveParams,
    SessionUpdateParams,
)

from config.devtools.stripe_sandbox.clock import API, DAY
from config.devtools.stripe_sandbox.money import check_currency, is_chargeable, too_small
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.billing.discounts import Line, apply_coupon, make_discount
from config.devtools.stripe_sandbox.resources.catalog import make_price, usable_coupon
from config.devtools.stripe_sandbox.resources.urls import check_url
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id

MIN_SESSION_SECONDS = 30 * 60
MAX_SESSION_SECONDS = DAY
MAX_LINE_ITEMS = 20
MAX_REFERENCE_LENGTH = 200
_CREATE = accept(
    SessionCreateParams,
    "cancel_url client_reference_id currency customer customer_creation customer_email expires_at"
    " billing_address_collection locale metadata mode payment_method_collection payment_method_types submit_type"
    " success_url ui_mode discounts.coupon line_items.price line_items.quantity"
    " line_items.price_data.currency line_items.price_data.product line_items.price_data.product_data.name"
    " line_items.price_data.product_data.description line_items.price_data.product_data.metadata"
    " line_items.price_data.recurring line_items.price_data.tax_behavior line_items.price_data.unit_amount"
    " line_items.price_data.unit_amount_decimal payment_intent_data.description payment_intent_data.metadata"
    " payment_intent_data.receipt_email subscription_data.description subscription_data.metadata",
)


@endpoint("POST", "/v1/checkout/sessions", _CREATE)
def create(world: World) -> Object:
    """Open a session."""
    given = world.call.given
    mode = _mode(given)
    _check_addresses(given)
    customer = _customer(world, given)
    lines = _lines(world, given, mode)
    coupon = _coupon(world, given, lines)
    lines = apply_coupon(lines, coupon)
    currency = lines[0].price["currency"]
    if given.get("currency") not in (None, currency):
        raise invalid(f"The prices are not in {given['currency']}.", param="currency")
    total = sum(line.total for line in lines)
    if total and not is_chargeable(total, currency):
        raise too_small(currency)
    return _make(world, lines, coupon, customer, mode)


def _mode(given: Object) -> str:
    mode: str = given.get("mode", "")
    if mode not in ("payment", "subscription"):
        raise StripeError(
            "The sandbox has the modes subscription and payment." if mode else "Missing required param: mode.",
            code="sandbox_unsupported" if mode else "parameter_missing",
            param="mode",
        )
    other = "subscription_data" if mode == "payment" else "payment_intent_data"
    if other in given:
        raise invalid(f"You can not pass `{other}` in `{mode}` mode.", param=other)
    if given.get("ui_mode", "hosted_page") != "hosted_page":
        raise StripeError("The sandbox has hosted pages only.", code="sandbox_unsupported", param="ui_mode")
    return mode


def _check_addresses(given: Object) -> None:
    if "success_url" not in given:
        raise StripeError("Missing required param: success_url.", code="parameter_missing", param="success_url")
    for param in ("success_url", "cancel_url"):
        if param in given:
            check_url(given[param], param=param)
    if len(given.get("client_reference_id", "")) > MAX_REFERENCE_LENGTH:
        raise invalid(f"Must be at most {MAX_REFERENCE_LENGTH} characters", param="client_reference_id")


def _customer(world: World, given: Object) -> Object | None:
    if "customer" in given and "customer_email" in given:
        raise invalid("You may only specify one of these parameters: customer, customer_email.")
    return world.get("customer", given["customer"], param="customer") if "customer" in given else None


def _lines(world: World, given: Object, mode: str) -> list[Line]:
    items = given.get("line_items") or []
    if not items:
        raise StripeError("Missing required param: line_items.", code="parameter_missing", param="line_items")
    if len(items) > MAX_LINE_ITEMS:
        raise invalid(f"The sandbox takes up to {MAX_LINE_ITEMS} line items.", param="line_items")
    lines = [_line(world, item, f"line_items[{index}]") for index, item in enumerate(items)]
    if len({line.price["currency"] for line in lines}) > 1:
        raise invalid("All prices of a Checkout Session must be in the same currency.", param="line_items")
    recurring = [line.price["recurring"] for line in lines if line.price["recurring"]]
    if mode == "payment" and recurring:
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use"
            " only one-time prices.",
            param="mode",
        )
    if mode == "subscription" and not recurring:
        raise invalid("You must provide at least one recurring price in `subscription` mode when using prices.")
    if len({(each["interval"], each["interval_count"]) for each in recurring}) > 1:
        raise invalid("Checkout does not support multiple prices with different billing intervals.")
    return lines


def _line(world: World, item: Object, path: str) -> Line:
    if ("price" in item) == ("price_data" in item):
        raise invalid(f"You must specify either `price` or `price_data` in `{path}`.", param=path)
    if "price" in item:
        price = world.get("price", item["price"], param=f"{path}[price]")
        if not price["active"]:
            raise invalid(f"The price specified is inactive: {price['id']}", param=f"{path}[price]")
    else:
        price = make_price(world, item["price_data"] | {"active": False}, path=f"{path}[price_data]")
    quantity = item.get("quantity")
    if quantity is None:
        raise invalid(f"Quantity is required. Add `quantity` to `{path}`", param=f"{path}[quantity]")
    if quantity < 1:
        raise invalid("This value must be greater than or equal to 1.", param=f"{path}[quantity]")
    product = world.get("product", price["product"])
    return Line(price, quantity, product["name"])


def _coupon(world: World, given: Object, lines: list[Line]) -> Object | None:
    discounts = given.get("discounts") or []
    if not discounts:
        return None
    if len(discounts) > 1:
        raise invalid("You may only specify one discount.", param="discounts")
    if "coupon" not in discounts[0]:
        raise invalid("You must specify a coupon.", param="discounts[0]")
    coupon = usable_coupon(world, discounts[0]["coupon"], param="discounts[0][coupon]")
    currency = lines[0].price["currency"]
    if coupon["currency"] not in (None, currency):
        raise invalid(
            f"The coupon takes off {coupon['currency']}, the session is in {currency}.", param="discounts[0][coupon]"
        )
    return coupon


def _expires_at(world: World) -> int:
    now = world.clock.now(API)
    expires_at: int = world.call.given.get("expires_at", now + MAX_SESSION_SECONDS)
    if expires_at < now + MIN_SESSION_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > now + MAX_SESSION_SECONDS:
        raise invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return expires_at


def _make(world: World, lines: list[Line], coupon: Object | None, customer: Object | None, mode: str) -> Object:
    given = world.call.given
    identifier = new_id("cs_test")
    currency = check_currency(lines[0].price["currency"], param="currency")
    expires_at = _expires_at(world)
    known = customer["id"] if customer else None
    discount = make_discount(world, coupon, customer=known, session=identifier) if coupon else None
    made = world.make(
        "checkout.session",
        {
            **_UNUSED,
            "amount_subtotal": sum(line.subtotal for line in lines),
            "amount_total": sum(line.total for line in lines),
            "billing_address_collection": given.get("billing_address_collection"),
            "cancel_url": given.get("cancel_url"),
            "client_reference_id": given.get("client_reference_id"),
            "currency": currency,
            "customer": known,
            "customer_creation": None if customer else _creation(given, mode),
            "customer_details": _details(customer) if customer else _details({"email": given.get("customer_email")}),
            "customer_email": given.get("customer_email"),
            "discounts": [{"coupon": coupon["id"], "promotion_code": None}] if coupon else [],
            "expires_at": expires_at,
            "locale": given.get("locale"),
            "metadata": world.merge_metadata({}, given.get("metadata")),
            "mode": mode,
            "payment_method_collection": given.get("payment_method_collection", "always")
            if mode == "subscription"
            else "if_required",
            "payment_method_types": given.get("payment_method_types") or ["card"],
            "payment_status": "unpaid",
            "status": "open",
            "submit_type": given.get("submit_type"),
            "success_url": given["success_url"],
            "total_details": {
                "amount_discount": sum(line.discount for line in lines),
                "amount_shipping": 0,
                "amount_tax": 0,
            },
            "url": f"{world.base_url}/c/pay/{identifier}",
            "_sandbox": {
                "coupon": coupon,
                "discount": discount["id"] if discount else None,
                "data": given.get("subscription_data" if mode == "subscription" else "payment_intent_data", {}),
                "lines": [_item(line, discount) for line in lines],
            },
        },
        identifier=identifier,
    )
    world.store.set_timer(API, expires_at, "expire", identifier)
    return made


_UNUSED: dict[str, Any] = {
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "client_secret": None,
    "collected_information": None,
    "consent": None,
    "consent_collection": None,
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": dict.fromkeys(
        ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"),
    ),
    "invoice": None,
    "invoice_creation": None,
    "origin_context": None,
    "payment_intent": None,
    "payment_link": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "subscription": None,
    "ui_mode": "hosted_page",
    "wallet_options": None,
}


def _creation(given: Object, mode: str) -> str:
    creation: str = given.get("customer_creation", "if_required")
    return "always" if mode == "subscription" else creation


def _details(known: Object) -> Object | None:
    if not known.get("email"):
        return None
    return {
        "address": known.get("address"),
        "business_name": None,
        "email": known["email"],
        "individual_name": None,
        "name": known.get("name"),
        "phone": known.get("phone"),
        "tax_exempt": "none",
        "tax_ids": None,
    }


def _item(line: Line, discount: Object | None) -> Object:
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": line.discount,
        "amount_subtotal": line.subtotal,
        "amount_tax": 0,
        "amount_total": line.total,
        "currency": line.price["currency"],
        "description": line.description,
        "metadata": {},
        "price": line.price,
        "quantity": line.quantity,
        "_sandbox": {"discount": discount["id"] if discount else None},
    }


@endpoint("GET", "/v1/checkout/sessions/{id}", accept(SessionRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return a session."""
    return world.get("checkout.session", identifier)


@endpoint("POST", "/v1/checkout/sessions/{id}", accept(SessionUpdateParams, "metadata"))
def update(world: World, identifier: str) -> Object:
    """Update a session's metadata."""
    session = world.get("checkout.session", identifier)
    world.change(session, metadata=world.merge_metadata(session, world.call.given.get("metadata")))
    return session


@endpoint("POST", "/v1/checkout/sessions/{id}/expire", accept(SessionExpireParams, ""))
def expire(world: World, identifier: str) -> Object:
    """Expire an open session now.

    Raises: StripeError if it is already complete or expired.
    """
    session = world.get("checkout.session", identifier)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of'
            f" `{session['status']}`."
        )
    expire_session(world, session)
    return session


def expire_session(world: World, session: Object) -> None:
    """Expire a session. One that is no longer open does not change."""
    if session["status"] == "open":
        world.change(session, status="expired", url=None)
        world.record_event("checkout.session.expired", session)


@endpoint(
    "GET",
    "/v1/checkout/sessions/{id}/line_items",
    accept(SessionLineItemListParams, "ending_before limit starting_after"),
)
def list_line_items(world: World, identifier: str) -> Object:
    """List the line items."""
    session = world.get("checkout.session", identifier)
    return world.page(session["_sandbox"]["lines"], f"/v1/checkout/sessions/{identifier}/line_items")


@endpoint(
    "GET",
    "/v1/checkout/sessions",
    accept(
        SessionListParams,
        "created customer customer_details ending_before limit payment_intent starting_after status subscription",
    ),
)
def list_all(world: World) -> Object:
    """Return the sessions, newest first."""
    given = world.call.given
    wanted: Object = {
        name: given[name] for name in ("customer", "payment_intent", "status", "subscription") if name in given
    }
    if "customer_details" in given:
        wanted["customer_details__email"] = given["customer_details"]["email"]
    return world.page(world.store.select("checkout.session", **wanted), "/v1/checkout/sessions")
