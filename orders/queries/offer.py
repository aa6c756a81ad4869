"""The catalog's offer: the items that a client names, and the basket that they make at the prices of now.

A checkout reads the same rows by a statement of its own: use_cases/checkout/checkout_context.py.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.errors import DomainError
from billing.language import say
from billing.local_time import local_day
from orders.errors import BundleIncomplete, UnknownAddOn, UnknownApp, UnknownBundle, UnknownPlan
from orders.models import OrderLine
from orders.models.basket import Basket, BundleDiscount, Line, discount_lines

from .references import normal_reference, parse_id

_PLAN, _ADDON, _APP, _BUNDLE = "plan", "addon", "app", "bundle"
_UNKNOWN: dict[str, tuple[type[DomainError], str]] = {
    _PLAN: (UnknownPlan, "plan_id"),
    _ADDON: (UnknownAddOn, "addons"),
    _APP: (UnknownApp, "apps"),
    _BUNDLE: (UnknownBundle, "bundle"),
}

# The catalog items of these references, as rows of kind, id, slug, names, price and apps. An app's price is 0. A
# bundle's is its discount in percent, and the apps are the slugs of those of its apps that are still offered.
_ITEMS = """
SELECT 'plan' AS kind, id, slug, name, name_ar, price_minor, NULL::jsonb AS apps FROM orders_plan
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'addon', id, slug, name, name_ar, price_minor, NULL FROM orders_addon
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'app', id, slug, name, name_ar, 0, NULL FROM orders_app
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'bundle', id, slug, name, name_ar, discount_percent,
       (SELECT jsonb_agg(a.slug ORDER BY a.slug) FROM orders_app a
         WHERE a.active AND a.deployable AND NOT a.system AND b.apps @> to_jsonb(a.slug::text))
  FROM orders_bundle b
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
"""
_WITH_RATE = """
SELECT item.*, CASE WHEN %(vat_day)s::date IS NOT NULL THEN coalesce(
         (SELECT basis_points FROM orders_vatrate WHERE starts_on <= %(vat_day)s::date
           ORDER BY starts_on DESC LIMIT 1), 0) END AS basis_points
  FROM ({items}) AS item
"""
# A checkout's statement contains the offered ones too (use_cases/checkout/checkout_context.py).
OFFERED, _OFFERED_ONCE = (_WITH_RATE.format(items=_ITEMS.format(condition=each)) for each in ("active AND", ""))


def find_vat_day(at: datetime) -> date | None:
    """Returns the day whose rate of VAT is added to the catalog's prices; None where they include it."""
    return None if settings.PRICES_INCLUDE_VAT else local_day(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Catalog items as a client names them: by id or slug."""

    plans: tuple[str, ...]
    apps: tuple[str, ...]
    addons: tuple[str, ...]
    bundles: tuple[str, ...] = ()

    def by_kind(self) -> dict[str, tuple[str, ...]]:
        return {_PLAN: self.plans, _APP: self.apps, _ADDON: self.addons, _BUNDLE: self.bundles}

    def parameters(self, *, now: datetime) -> dict[str, list[str] | list[UUID] | date | None]:
        """Returns the parameters of `OFFERED`: of all kinds at once, since a row says its kind."""
        ids: list[UUID] = []
        slugs: list[str] = []
        for reference in (*self.plans, *self.apps, *self.addons, *self.bundles):
            identity = parse_id(reference)
            if identity is None:
                slugs.append(reference)
            else:
                ids.append(identity)
        return {"item_ids": ids, "slugs": slugs, "vat_day": find_vat_day(now)}


class Offer(NamedTuple):
    """A row of `OFFERED`. `basis_points` is the rate of VAT that is added; None where the price includes VAT."""

    kind: str
    id: UUID
    slug: str
    name: str
    name_ar: str
    price_minor: int
    apps: list[str] | None = None
    basis_points: int | None = None


def load_basket(
    *, plan: str, apps: Sequence[str], addons: Sequence[str], bundle: str = "", retired: bool = False
) -> Basket:
    """Returns the basket at the catalog's prices of now; references are ids or slugs, and a repeated one counts once.

    Args: retired: whether items that are not offered any more count as well.
    Raises: as `price_basket`. One query.
    """
    wanted = References(plans=(plan,), apps=tuple(apps), addons=tuple(addons), bundles=(bundle,) if bundle else ())
    return price_basket(wanted, _offers(wanted, retired=retired))


def price_basket(wanted: References, offers: Iterable[Offer]) -> Basket:
    """Returns the basket of a plan and what goes with it, at the prices that are offered, less a bundle's discount.

    Pure.

    Raises: UnknownPlan, UnknownApp, UnknownAddOn, UnknownBundle, naming the references; BundleIncomplete, naming the
    apps of the bundle that are not in the basket.
    """
    items = _match(wanted, offers)
    [plan] = items[_PLAN].values()
    lines = (
        _line(OrderLine.Kind.PLAN, plan),
        *(_line(OrderLine.Kind.ADDON, item) for item in items[_ADDON].values()),
    )
    bundle = next(iter(items[_BUNDLE].values()), None)
    if bundle is not None:
        _check_complete(bundle, items[_APP])
        lines = discount_lines(lines, percent=bundle.price_minor, basis_points=plan.basis_points or 0)
    return Basket(
        plan=lines[0],
        addon_lines=lines[1:],
        apps=_ids(items[_APP]),
        addons=_ids(items[_ADDON]),
        bundle=bundle
        and BundleDiscount(
            id=bundle.id, slug=bundle.slug, name=bundle.name, name_ar=bundle.name_ar, percent=bundle.price_minor
        ),
    )


def _check_complete(bundle: Offer, apps: dict[str, Offer]) -> None:
    """Raises: BundleIncomplete, also for a bundle of which no app is offered any more."""
    ordered = {app.slug for app in apps.values()}
    missing = [slug for slug in bundle.apps or () if slug not in ordered]
    if missing or not bundle.apps:
        sentence = ": ".join((BundleIncomplete.message, ", ".join(missing))) if missing else BundleIncomplete.message
        raise BundleIncomplete(sentence[:300], fields={"bundle": missing or [bundle.slug]})


class ItemIds(NamedTuple):
    """The ids of a plan, or None, of apps and of add-ons."""

    plan: UUID | None
    apps: tuple[str, ...]
    addons: tuple[str, ...]


def find_items(*, plan: str | None, apps: Sequence[str], addons: Sequence[str]) -> ItemIds:
    """Returns the ids of the items that are named by id or slug, each once; a plan may be absent.

    Raises: UnknownPlan, UnknownApp, UnknownAddOn. One query, none where nothing is named.
    """
    if not (plan or apps or addons):
        return ItemIds(None, (), ())
    wanted = References(plans=(plan,) if plan else (), apps=tuple(apps), addons=tuple(addons))
    items = _match(wanted, _offers(wanted))
    return ItemIds(items[_PLAN][plan].id if plan else None, _ids(items[_APP]), _ids(items[_ADDON]))


def _ids(items: dict[str, Offer]) -> tuple[str, ...]:
    return tuple(str(item.id) for item in items.values())


def _offers(wanted: References, *, retired: bool = False) -> list[Offer]:
    with connection.cursor() as cursor:
        cursor.execute(_OFFERED_ONCE if retired else OFFERED, wanted.parameters(now=timezone.now()))
        # A cursor returns JSON as text.
        return [offer._replace(apps=json.loads(str(offer.apps or "null"))) for offer in map(Offer._make, cursor)]


def _match(wanted: References, offers: Iterable[Offer]) -> dict[str, dict[str, Offer]]:
    """Returns by kind the items that are wanted, each once, under the reference that named it first."""
    offered: dict[tuple[str, str], Offer] = {}
    for offer in offers:
        offered[offer.kind, str(offer.id)] = offered[offer.kind, offer.slug] = offer
    found: dict[str, dict[str, Offer]] = {}
    for kind, references in wanted.by_kind().items():
        missing = [reference for reference in references if (kind, normal_reference(reference)) not in offered]
        if missing:
            error, field = _UNKNOWN[kind]
            raise error(f"{say(error.message)}: {', '.join(missing)}"[:300], fields={field: missing})
        first: dict[UUID, str] = {}
        for reference in references:
            first.setdefault(offered[kind, normal_reference(reference)].id, reference)
        found[kind] = {reference: offered[kind, normal_reference(reference)] for reference in first.values()}
    return found


def _line(kind: OrderLine.Kind, item: Offer) -> Line:
    """Makes a line of a catalog item. Here a price of the catalog becomes the price that is charged."""
    net_minor = None if item.basis_points is None else item.price_minor
    line = Line(
        kind=kind,
        item_id=item.id,
        slug=item.slug,
        name=item.name,
        name_ar=item.name_ar,
        price_minor=item.price_minor,
        net_minor=net_minor,
    )
    return line.at_rate(item.basis_points or 0)
