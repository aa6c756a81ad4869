"""The priced items of an order: pure, frozen, and the only place where a total is added up."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings

from .charge import price_with_vat
from .order import OrderLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A plan or add-on with its present price of a month, in the smallest unit.

    `price_minor` is what it costs. `net_minor` is the catalog's price where that is without VAT; otherwise None.
    """

    kind: OrderLine.Kind
    item_id: UUID
    slug: str
    name: str
    price_minor: int
    net_minor: int | None = None

    @classmethod
    def of(cls, line: OrderLine) -> "Line":
        """Makes the line from the one that an order keeps."""
        return cls(
            kind=OrderLine.Kind(line.kind),
            item_id=line.item_id,
            slug=line.slug,
            name=line.name,
            price_minor=line.price_minor,
            net_minor=line.net_minor,
        )

    def at_rate(self, basis_points: int) -> "Line":
        """Returns the line as it costs at another rate of VAT: the same where its price includes VAT."""
        if self.net_minor is None:
            return self
        price_minor = price_with_vat(self.net_minor, basis_points, currency=settings.SOVEREIGN_CURRENCY)
        return replace(self, price_minor=price_minor)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "item_id": str(self.item_id),
            "slug": self.slug,
            "name": self.name,
            "price_minor": self.price_minor,
            "net_minor": self.net_minor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """A plan with its add-ons, each once, and the apps that run on it (apps cost nothing).

    `apps` and `addons` are ids, in the order of the request, also where the request used slugs.
    """

    plan: Line
    addon_lines: tuple[Line, ...]
    apps: tuple[str, ...]
    addons: tuple[str, ...]

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
    promo_code: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
