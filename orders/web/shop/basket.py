"""The basket of a visitor: what was chosen so far, kept in the session."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from orders.models import AddOn, App, Plan
from orders.models.basket import BundleDiscount
from orders.web.shop.offer import Offer

_KEY, _PLACED = "shop", "shop_placed"
# How many placed orders a session remembers.
MAX_PLACED_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopBasket:
    """Slugs of catalog items, the organization to buy for, and a voucher's code as it was typed.

    `organization` is the id of one of the customer's organizations; empty for a new one, with `name`, `slug` and
    `vat_number`.
    """

    plan: str = ""
    apps: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    organization: str = ""
    name: str = ""
    slug: str = ""
    vat_number: str = ""
    code: str = ""

    def with_choice(self, **changes: Any) -> "ShopBasket":
        return replace(self, **changes)


def read_basket(request: HttpRequest) -> ShopBasket:
    """Returns the visitor's basket. A visitor without a session costs no query."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return ShopBasket()
    kept = request.session.get(_KEY, {})
    # A session may be older than this version of the shop.
    known = {field.name for field in fields(ShopBasket)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name in known
    }
    return ShopBasket(**values)


def keep_basket(request: HttpRequest, basket: ShopBasket) -> None:
    request.session[_KEY] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(basket).items()
    }


def empty_basket(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def placed_orders(request: HttpRequest) -> dict[str, str]:
    """Returns the orders that this session placed, oldest first, by the key of the form that placed them."""
    placed: dict[str, str] = request.session.get(_PLACED, {})
    return placed


def remember_placed(request: HttpRequest, *, attempt: str, order_id: str) -> None:
    newest = list(placed_orders(request).items())[1 - MAX_PLACED_KEPT :]
    request.session[_PLACED] = {**dict(newest), attempt: order_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The items of a basket that are still offered, and the bundle whose discount the order gets."""

    plan: Plan | None
    apps: list[App]
    addons: list[AddOn]
    bundle: BundleDiscount | None = None


def chosen_items(basket: ShopBasket, offer: Offer) -> Chosen:
    """Returns the basket's items that are still offered, in the order of the catalog."""
    apps = [app for app in offer.apps if app.slug in basket.apps]
    return Chosen(
        plan=next((plan for plan in offer.plans if plan.slug == basket.plan), None),
        apps=apps,
        bundle=_best_bundle(apps, offer) if apps else None,
        addons=[addon for addon in offer.addons if addon.slug in basket.addons and not addon.included],
    )


def _best_bundle(apps: list[App], offer: Offer) -> BundleDiscount | None:
    """Returns the bundle with the largest discount whose apps are all chosen, however they were chosen."""
    chosen, offered = {app.slug for app in apps}, {app.slug for app in offer.apps}
    complete = [
        bundle
        for bundle in offer.bundles
        if bundle.discount_percent and (needed := offered.intersection(bundle.apps)) and needed <= chosen
    ]
    best = max(complete, key=lambda bundle: bundle.discount_percent, default=None)
    if best is None:
        return None
    return BundleDiscount(
        id=best.id, slug=best.slug, name=best.name, name_ar=best.name_ar, percent=best.discount_percent
    )
