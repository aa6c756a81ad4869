"""Products, prices and coupons.

A price is per unit, one-time or recurring (day, week, month, year). Its amount cannot be changed later. A coupon
takes off an amount in one currency or a percentage, once, for some months, or forever. Deleting a coupon does not
change what it was applied to. Not reproduced: tiers, metered and customer-chosen prices, promotion codes,
`applies_to`.
"""

from decimal import Decimal
from typing import Any

from stripe.params import (
    CouponCreateParams,
    CouponDeleteParams,
    CouponListParams,
    CouponRetrieveParams,
    CouponUpdateParams,
    PriceCreateParams,
    PriceListParams,
    PriceRetrieveParams,
    PriceUpdateParams,
    ProductCreateParams,
    ProductFeatureListParams,
    ProductListParams,
    ProductRetrieveParams,
    ProductUpdateParams,
)

from config.devtools.stripe_sandbox.money import check_amount, check_currency
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import StripeError, invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id

_PAGING = "created ending_before limit starting_after"
_PRODUCT = "active description id images metadata name shippable statement_descriptor tax_code type unit_label url"
_PRICE = (
    "active currency lookup_key metadata nickname product product_data recurring.interval recurring.interval_count"
    " recurring.usage_type tax_behavior unit_amount unit_amount_decimal"
)
_COUPON = "amount_off currency duration duration_in_months id max_redemptions metadata name percent_off redeem_by"
HUNDRED = 100


# --- Products ---------------------------------------------------------------------------------------------
def make_product(world: World, given: Object) -> Object:
    """Create a product and record its event."""
    identifier = given.get("id")
    if identifier and world.store.load(identifier):
        raise invalid("Product already exists.", param="id", code="resource_already_exists")
    made = world.make(
        "product",
        {
            "active": given.get("active", True),
            "default_price": None,
            "description": given.get("description"),
            "images": given.get("images") or [],
            "marketing_features": [],
            "metadata": world.merge_metadata({}, given.get("metadata")),
            "name": given["name"],
            "package_dimensions": None,
            "shippable": given.get("shippable"),
            "statement_descriptor": given.get("statement_descriptor"),
            "tax_code": given.get("tax_code"),
            "type": given.get("type", "service"),
            "unit_label": given.get("unit_label"),
            "updated": world.clock.now(),
            "url": given.get("url"),
        },
        identifier=identifier,
    )
    world.record_event("product.created", made)
    return made


@endpoint("POST", "/v1/products", accept(ProductCreateParams, _PRODUCT))
def create_product(world: World) -> Object:
    """Make a product."""
    return make_product(world, world.call.given)


@endpoint("GET", "/v1/products/{id}", accept(ProductRetrieveParams, ""))
def retrieve_product(world: World, identifier: str) -> Object:
    """Return one product."""
    return world.get("product", identifier)


@endpoint("POST", "/v1/products/{id}", accept(ProductUpdateParams, "active description metadata name url"))
def update_product(world: World, identifier: str) -> Object:
    """Change a product."""
    return _update(world, "product", identifier, updated=world.clock.now())


@endpoint("GET", "/v1/products", accept(ProductListParams, f"{_PAGING} active"))
def list_products(world: World) -> Object:
    """Return the products, newest first."""
    return world.page(_select(world, "product", ("active",)), "/v1/products")


@endpoint("GET", "/v1/products/{id}/features", accept(ProductFeatureListParams, "ending_before limit starting_after"))
def list_features(world: World, identifier: str) -> Object:
    """List the features of a product: none. Clients that mirror products request them."""
    world.get("product", identifier)
    return world.page([], f"/v1/products/{identifier}/features")


# --- Prices -----------------------------------------------------------------------------------------------
def make_price(world: World, given: Object, *, path: str = "") -> Object:
    """Create a price. A price made for a single session (`price_data`) is archived at once, as at Stripe."""

    def param(name: str) -> str:
        return f"{path}[{name}]" if path else name

    currency = check_currency(given["currency"], param=param("currency"))
    if given.get("product"):
        product = world.get("product", given["product"], param=param("product"))
    elif given.get("product_data"):
        product = make_product(world, given["product_data"])
    else:
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.", param=param("product")
        )
    recurring = given.get("recurring")
    made = world.make(
        "price",
        {
            "active": given.get("active", True),
            "billing_scheme": "per_unit",
            "currency": currency,
            "custom_unit_amount": None,
            "lookup_key": given.get("lookup_key"),
            "metadata": world.merge_metadata({}, given.get("metadata")),
            "nickname": given.get("nickname"),
            "product": product["id"],
            "recurring": {
                "interval": recurring["interval"],
                "interval_count": recurring.get("interval_count", 1),
                "meter": None,
                "trial_period_days": None,
                "usage_type": recurring.get("usage_type", "licensed"),
            }
            if recurring
            else None,
            "tax_behavior": given.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            **_unit_amount(given, currency, param),
        },
    )
    world.record_event("price.created", made)
    return made


def _unit_amount(given: Object, currency: str, param: Any) -> Object:
    if "unit_amount" in given:
        amount = given["unit_amount"]
    elif "unit_amount_decimal" in given:
        exact = Decimal(given["unit_amount_decimal"])
        if exact != exact.to_integral_value():
            raise invalid(
                "The sandbox does not support fractions of the smallest unit", param=param("unit_amount_decimal")
            )
        amount = int(exact)
    else:
        raise StripeError(
            f"Missing required param: {param('unit_amount')}.", code="parameter_missing", param=param("unit_amount")
        )
    check_amount(amount, currency, param=param("unit_amount"))
    return {"unit_amount": amount, "unit_amount_decimal": str(amount)}


@endpoint("POST", "/v1/prices", accept(PriceCreateParams, _PRICE))
def create_price(world: World) -> Object:
    """Make a price."""
    return make_price(world, world.call.given)


@endpoint("GET", "/v1/prices/{id}", accept(PriceRetrieveParams, ""))
def retrieve_price(world: World, identifier: str) -> Object:
    """Return one price."""
    return world.get("price", identifier)


@endpoint("POST", "/v1/prices/{id}", accept(PriceUpdateParams, "active metadata nickname"))
def update_price(world: World, identifier: str) -> Object:
    """Archive or rename a price. Its amount cannot change."""
    return _update(world, "price", identifier)


@endpoint("GET", "/v1/prices", accept(PriceListParams, f"{_PAGING} active currency lookup_keys product type"))
def list_prices(world: World) -> Object:
    """Return the prices, newest first."""
    prices = _select(world, "price", ("active", "currency", "product", "type"))
    keys = world.call.given.get("lookup_keys")
    return world.page([each for each in prices if not keys or each["lookup_key"] in keys], "/v1/prices")


# --- Coupons ----------------------------------------------------------------------------------------------
@endpoint("POST", "/v1/coupons", accept(CouponCreateParams, _COUPON))
def create_coupon(world: World) -> Object:
    """Make a coupon."""
    given = world.call.given
    percent, amount = given.get("percent_off"), given.get("amount_off")
    if (percent is None) == (amount is None):
        raise invalid("You must pass in exactly one of `percent_off` or `amount_off`.")
    currency = None
    if amount is not None:
        if "currency" not in given:
            raise invalid(
                "You must pass currency when passing amount_off.", param="currency", code="parameter_missing"
            )
        currency = check_currency(given["currency"], param="currency")
        check_amount(amount, currency, param="amount_off", lowest=1)
    if percent is not None and not 0 < Decimal(percent) <= HUNDRED:
        raise invalid("percent_off must be greater than 0 and at most 100.", param="percent_off")
    duration = given.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in given):
        raise invalid(
            "duration_in_months goes with duration repeating, and only with it.", param="duration_in_months"
        )
    identifier = given.get("id") or new_id("co")[3:11]
    if world.store.load(identifier):
        raise invalid("Coupon already exists.", code="resource_already_exists")
    made = world.make(
        "coupon",
        {
            "amount_off": amount,
            "currency": currency,
            "duration": duration,
            "duration_in_months": given.get("duration_in_months"),
            "max_redemptions": given.get("max_redemptions"),
            "metadata": world.merge_metadata({}, given.get("metadata")),
            "name": given.get("name"),
            "percent_off": None if percent is None else float(percent),
            "redeem_by": given.get("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
        },
        identifier=identifier,
    )
    world.record_event("coupon.created", made)
    return made


def usable_coupon(world: World, identifier: str, *, param: str) -> Object:
    """Return the coupon if it can still be applied. Raises: StripeError."""
    coupon = world.get("coupon", identifier, param=param)
    redeem_by = coupon["redeem_by"]
    if not coupon["valid"] or (redeem_by is not None and redeem_by <= world.clock.now()):
        raise invalid(f"Coupon expired: {identifier}", param=param, code="coupon_expired")
    return coupon


def count_redemption(world: World, identifier: str) -> None:
    """Count a use of the coupon. The last allowed use makes it invalid. A deleted coupon is ignored."""
    coupon = world.store.load(identifier, "coupon")
    if coupon is None:
        return
    times, maximum = coupon["times_redeemed"] + 1, coupon["max_redemptions"]
    world.change(coupon, times_redeemed=times, valid=maximum is None or times < maximum)


@endpoint("GET", "/v1/coupons/{id}", accept(CouponRetrieveParams, ""))
def retrieve_coupon(world: World, identifier: str) -> Object:
    """Return one coupon."""
    return world.get("coupon", identifier)


@endpoint("POST", "/v1/coupons/{id}", accept(CouponUpdateParams, "metadata name"))
def update_coupon(world: World, identifier: str) -> Object:
    """Rename a coupon. Its amount cannot change."""
    return _update(world, "coupon", identifier)


@endpoint("DELETE", "/v1/coupons/{id}", accept(CouponDeleteParams, ""))
def delete_coupon(world: World, identifier: str) -> Object:
    """Delete a coupon. It can no longer be applied; existing discounts stay."""
    coupon = world.get("coupon", identifier)
    world.store.remove(identifier)
    world.record_event("coupon.deleted", coupon)
    return {"id": identifier, "object": "coupon", "deleted": True}


@endpoint("GET", "/v1/coupons", accept(CouponListParams, _PAGING))
def list_coupons(world: World) -> Object:
    """Return the coupons, newest first."""
    return world.page(world.store.select("coupon"), "/v1/coupons")


# --- Shared -----------------------------------------------------------------------------------------------
def _select(world: World, kind: str, filters: tuple[str, ...]) -> list[Object]:
    given = world.call.given
    return world.store.select(kind, **{name: given[name] for name in filters if name in given})


def _update(world: World, kind: str, identifier: str, **fields: Any) -> Object:
    item = world.get(kind, identifier)
    fields |= {name: value for name, value in world.call.given.items() if name not in ("expand", "metadata")}
    if "metadata" in world.call.given:
        fields["metadata"] = world.merge_metadata(item, world.call.given["metadata"])
    before = world.change(item, **fields)
    world.record_event(f"{kind}.updated", item, before)
    return item
