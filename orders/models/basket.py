"""The priced items of an order: pure, frozen, and the only place where a total is added up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from billing.language import in_language

from .charge import discount_prices, price_with_vat
from .order import OrderLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A plan or add-on with its present price of a month, less the discount of a bundle, in the smallest unit.

    `price_minor` is what it costs. `net_minor` is the catalog's price where that is without VAT, less the discount;
    otherwise None. `discount_minor` is what the discount takes off what it costs.
    """

    kind: OrderLine.Kind
    item_id: UUID
    slug: str
    name: str
    name_ar: str = ""
    price_minor: int
    net_minor: int | None = None
    discount_minor: int = 0

    @classmethod
    def of(cls, line: OrderLine) -> "Line":
        """Makes the line from the one that an order keeps."""
        return cls(
            kind=OrderLine.Kind(line.kind),
            item_id=line.item_id,
            slug=line.slug,
            name=line.name,
            name_ar=line.name_ar,
            price_minor=line.price_minor,
            net_minor=line.net_minor,
            discount_minor=line.discount_minor,
        )

    @property
    def local_name(self) -> str:
        """The name in the active language."""
        return in_language(self.name, self.name_ar)

    def at_rate(self, basis_points: int) -> "Line":
        """Returns the line as it costs at another rate of VAT: the same where its price includes VAT."""
        if self.net_minor is None:
            return self
        price_minor = price_with_vat(self.net_minor, basis_points, currency=settings.SOVEREIGN_CURRENCY)
        discount_minor = self.discount_minor * price_minor // (self.price_minor or 1)
        return replace(self, price_minor=price_minor, discount_minor=discount_minor)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "item_id": str(self.item_id),
            "slug": self.slug,
            "name": self.name,
            "name_ar": self.name_ar,
            "price_minor": self.price_minor,
            "net_minor": self.net_minor,
            "discount_minor": self.discount_minor,
        }


def discount_lines(lines: Sequence[Line], *, percent: int, basis_points: int) -> tuple[Line, ...]:
    """Returns the lines at the catalog's prices less a discount.

    Args: basis_points: the rate of VAT that is added to prices without VAT.
    """
    before = [line.price_minor if line.net_minor is None else line.net_minor for line in lines]
    after = discount_prices(before, percent=percent, currency=settings.SOVEREIGN_CURRENCY)
    lowered = [
        replace(line, price_minor=price)
        if line.net_minor is None
        else replace(line, net_minor=price).at_rate(basis_points)
        for line, price in zip(lines, after, strict=True)
    ]
    return tuple(
        replace(low, discount_minor=line.price_minor - low.price_minor)
        for line, low in zip(lines, lowered, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDiscount:
    """The bundle of apps whose discount the lines' prices contain.

    The discount belongs to the order, as its prices do. Each month of the subscription costs the same, also after an
    app of the bundle was removed or the catalog changed. Another order, such as a change of plan, has the discount
    only if it names a bundle and contains its apps.
    """

    id: UUID
    slug: str
    name: str
    percent: int
    # Two orders have the same bundle also where only one of them knows its Arabic name.
    name_ar: str = field(default="", compare=False)

    @classmethod
    def of(cls, bundle: dict[str, Any] | None) -> "BundleDiscount | None":
        """Makes the discount from the bundle that an order keeps."""
        return cls(**{**bundle, "id": UUID(bundle["id"])}) if bundle else None

    @property
    def label(self) -> str:
        """Its name and the discount, in the active language."""
        return _("Bundle %(name)s: \N{MINUS SIGN}%(percent)s%%") % {
            "name": in_language(self.name, self.name_ar),
            "percent": self.percent,
        }

    def as_json(self) -> dict[str, Any]:
        kept = {"id": str(self.id), "slug": self.slug, "name": self.name, "percent": self.percent}
        return kept | ({"name_ar": self.name_ar} if self.name_ar else {})


def bill_rows(lines: Iterable[Line | OrderLine], bundle: BundleDiscount | None) -> list[tuple[str, int]]:
    """Returns names and amounts as people read a bill: the catalog's prices, then what the bundle takes off them."""
    priced = list(lines)
    rows = [(line.local_name, line.price_minor + line.discount_minor) for line in priced]
    return [*rows, (bundle.label, -sum(line.discount_minor for line in priced))] if bundle else rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """A plan with its add-ons, each once, and the apps that run on it (apps cost nothing).

    `apps` and `addons` are ids, in the order of the request, also where the request used slugs.
    """

    plan: Line
    addon_lines: tuple[Line, ...]
    apps: tuple[str, ...]
    addons: tuple[str, ...]
    bundle: BundleDiscount | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        return (self.plan, *self.addon_lines)

    @property
    def total_minor(self) -> int:
        """The price of a month of everything, before credit."""
        return sum(line.price_minor for line in self.lines)

    def total_at_rate(self, basis_points: int) -> int:
        """Returns the price of a month under another rate of VAT: the same where the prices include VAT."""
        return sum(line.at_rate(basis_points).price_minor for line in self.lines)

    @property
    def discount_minor(self) -> int:
        """The part of a month's catalog prices that the bundle takes off."""
        return sum(line.discount_minor for line in self.lines)

    @property
    def addon_ids(self) -> list[str]:
        """The ids of the add-ons, sorted, so that two baskets compare."""
        return sorted(str(line.item_id) for line in self.addon_lines)

    def matches(self, subscribed: "Subscribed") -> bool:
        """Returns whether the subscription already has this plan and these add-ons."""
        return subscribed.plan_id == self.plan.item_id and subscribed.addon_ids == self.addon_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """An organization's live subscription; `addon_ids` are sorted."""

    id: UUID
    plan_id: UUID
    addon_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """A customer's request to buy. References are catalog ids or slugs; `fingerprint` is the body's hash."""

    tenant_id: UUID
    plan: str
    apps: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    bundle: str = ""
    promo_code: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
