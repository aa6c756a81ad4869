"""What a checkout reads, and what staff read of orders. Each function is one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import BigIntegerField, CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast

from billing.errors import DomainError, OrganizationNotFound
from billing.models import Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from promos.models import PromoCode

from .errors import UnknownAddOn, UnknownApp, UnknownPlan
from .models import AddOn, App, IdempotencyKey, Order, OrderLine, Plan
from .models.basket import Basket, Line

_PLAN, _ADDON, _APP = "plan", "addon", "app"
_UNKNOWN: dict[str, tuple[type[DomainError], str]] = {
    _PLAN: (UnknownPlan, "plan_id"),
    _ADDON: (UnknownAddOn, "addons"),
    _APP: (UnknownApp, "apps"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A catalog item that is offered; an app's price is 0."""

    id: UUID
    slug: str
    name: str
    price_minor: int


def load_basket(*, plan: str, apps: Sequence[str], addons: Sequence[str]) -> Basket:
    """The basket at the catalog's prices of now; references are ids or slugs, and a repeated one counts once.

    Raises: UnknownPlan, UnknownApp, UnknownAddOn, naming the references. One query.
    """
    items = _find_items({_PLAN: [plan], _APP: apps, _ADDON: addons})
    return Basket(
        plan=_line(OrderLine.Kind.PLAN, items[_PLAN][plan]),
        addon_lines=tuple(_line(OrderLine.Kind.ADDON, item) for item in items[_ADDON].values()),
        apps=tuple(items[_APP]),
        addons=tuple(items[_ADDON]),
    )


def check_references(*, plan: str | None, apps: Sequence[str], addons: Sequence[str]) -> UUID | None:
    """The plan's id, where a plan is named; apps and add-ons must exist as well.

    Raises: UnknownPlan, UnknownApp, UnknownAddOn. One query, none where nothing is named.
    """
    if not (plan or apps or addons):
        return None
    items = _find_items({_PLAN: [plan] if plan else [], _APP: apps, _ADDON: addons})
    return items[_PLAN][plan].id if plan else None


def _find_items(wanted: dict[str, Sequence[str]]) -> dict[str, dict[str, _Item]]:
    """By kind, the items that are wanted, each once, under the reference that named it first."""
    plans, apps, addons = Plan.objects.all(), App.objects.all(), AddOn.objects.all()
    rows = (
        _offered(plans, _PLAN, wanted[_PLAN])
        .union(_offered(addons, _ADDON, wanted[_ADDON]), all=True)
        .union(_offered(apps, _APP, wanted[_APP]), all=True)
    )
    offered: dict[tuple[str, str], _Item] = {}
    for kind, item_id, slug, name, price_minor in rows:
        item = _Item(id=item_id, slug=slug, name=name, price_minor=price_minor)
        offered[kind, str(item_id)] = offered[kind, slug] = item
    found: dict[str, dict[str, _Item]] = {}
    for kind, references in wanted.items():
        missing = [reference for reference in references if (kind, _normal(reference)) not in offered]
        if missing:
            error, field = _UNKNOWN[kind]
            raise error(f"{error.message}: {', '.join(missing)}"[:300], fields={field: missing})
        first: dict[UUID, str] = {}
        for reference in references:
            first.setdefault(offered[kind, _normal(reference)].id, reference)
        found[kind] = {reference: offered[kind, _normal(reference)] for reference in first.values()}
    return found


def _line(kind: OrderLine.Kind, item: _Item) -> Line:
    return Line(kind=kind, item_id=item.id, slug=item.slug, name=item.name, price_minor=item.price_minor)


def _offered(
    items: QuerySet[Plan] | QuerySet[AddOn] | QuerySet[App], kind: str, references: Sequence[str]
) -> QuerySet[Plan, tuple[str, UUID, str, str, int]]:
    ids = [identity for identity in map(_uuid, references) if identity is not None]
    slugs = [reference for reference in references if _uuid(reference) is None]
    price = Value(0, output_field=BigIntegerField()) if kind == _APP else F("price_minor")
    rows = items.order_by().filter(Q(id__in=ids) | Q(slug__in=slugs), active=True)
    return rows.values_list(  # type: ignore[return-value]
        Cast(Value(kind), CharField()), "id", "slug", "name", Cast(price, BigIntegerField())
    )


def _uuid(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None


def _normal(reference: str) -> str:
    identity = _uuid(reference)
    return reference if identity is None else str(identity)


def find_organization(*, organization_id: UUID, user_id: str) -> Organization:
    """The caller's organization, with its customer. Raises: OrganizationNotFound, also for another's. One query."""
    found = (
        Organization.objects.select_related("customer")
        .filter(id=organization_id, customer__user_id=user_id)
        .exclude(status=Organization.Status.DELETED)
        .first()
    )
    if found is None:
        raise OrganizationNotFound
    return found


def live_subscription(*, organization_id: UUID) -> Subscription | None:
    """The organization's subscription that has not ended; there is at most one. One query."""
    return Subscription.objects.filter(organization_id=organization_id).exclude(status__in=ENDED_STATUSES).first()


def find_open_order(*, organization_id: UUID) -> Order | None:
    """The organization's order that waits for a payment, with it; there is at most one. One query."""
    return (
        Order.objects.select_related("payment", "customer")
        .filter(organization_id=organization_id, status=Order.Status.PENDING)
        .first()
    )


def find_answer(*, user_id: str, key: str, now: datetime) -> IdempotencyKey | None:
    """The stored answer under the customer's key, unless it has expired. One query."""
    return IdempotencyKey.objects.filter(customer__user_id=user_id, key=key, expires_at__gt=now).first()


def orders_for_staff() -> QuerySet[Order, Order]:
    """Every order with its customer and `promo_deleted`: whether its code was retired since. One query."""
    return Order.objects.select_related("customer").annotate(
        promo_deleted=Exists(PromoCode.objects.filter(id=OuterRef("promo_code_id"), retired_at__isnull=False))
    )
