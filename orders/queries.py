"""Reads the catalog's offer, and orders for staff and payments. Each function is one query.

A checkout reads its state by another statement: use_cases/checkout/checkout_context.py.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.errors import DomainError, OrganizationNotFound
from billing.local_time import local_day
from billing.models import Customer, Organization, OrganizationMember, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.queries import cursor_without_timeout, exists_per_row
from promos.models import PromoCode
from promos.use_cases.restrictions.sold_items import SoldItem

from .errors import BundleIncomplete, UnknownAddOn, UnknownApp, UnknownBundle, UnknownPlan
from .models import AddOn, App, Bundle, Document, Domain, Industry, Order, OrderLine, Payment, Plan, UnsettledApp
from .models.basket import Basket, BundleDiscount, Line, discount_lines
from .models.catalog import CatalogItem

_PLAN, _ADDON, _APP, _BUNDLE = "plan", "addon", "app", "bundle"
_UNKNOWN: dict[str, tuple[type[DomainError], str]] = {
    _PLAN: (UnknownPlan, "plan_id"),
    _ADDON: (UnknownAddOn, "addons"),
    _APP: (UnknownApp, "apps"),
    _BUNDLE: (UnknownBundle, "bundle"),
}


# The catalog items of these references, as rows of kind, id, slug, name, price and apps. An app's price is 0. A
# bundle's is its discount in percent, and the apps are the slugs of those of its apps that are still offered.
_ITEMS = """
SELECT 'plan' AS kind, id, slug, name, price_minor, NULL::jsonb AS apps FROM orders_plan
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'addon', id, slug, name, price_minor, NULL FROM orders_addon
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'app', id, slug, name, 0, NULL FROM orders_app
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
UNION ALL
SELECT 'bundle', id, slug, name, discount_percent,
       (SELECT jsonb_agg(a.slug ORDER BY a.slug) FROM orders_app a
         WHERE a.active AND a.deployable AND NOT a.system AND b.apps @> to_jsonb(a.slug::text))
  FROM orders_bundle b
 WHERE {condition} (id = ANY(%(item_ids)s::uuid[]) OR slug = ANY(%(slugs)s::text[]))
"""
# A checkout's statement contains the offered ones too (use_cases/checkout/checkout_context.py).
_RESTRICTABLE = """
SELECT rule, id, slug, name, active
  FROM (SELECT 'plans' AS rule, id, slug, name, active, sort_order, '' AS category FROM orders_plan
        UNION ALL SELECT 'addons', id, slug, name, active, 0, category FROM orders_addon) AS sold
 ORDER BY sort_order, category, slug
"""
_WITH_RATE = """
SELECT item.*, CASE WHEN %(vat_day)s::date IS NOT NULL THEN coalesce(
         (SELECT basis_points FROM orders_vatrate WHERE starts_on <= %(vat_day)s::date
           ORDER BY starts_on DESC LIMIT 1), 0) END AS basis_points
  FROM ({items}) AS item
"""
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
            identity = _uuid(reference)
            if identity is None:
                slugs.append(reference)
            else:
                ids.append(identity)
        return {"item_ids": ids, "slugs": slugs, "vat_day": find_vat_day(now)}


def load_sold_items() -> dict[str, list[SoldItem]]:
    """Returns all plans and add-ons, in the catalog's order, for restrictions that name some. One query."""
    found: dict[str, list[SoldItem]] = {"plans": [], "addons": []}
    with connection.cursor() as cursor:
        cursor.execute(_RESTRICTABLE)
        for rule, item_id, *rest in cursor:
            found[rule].append(SoldItem(str(item_id), *rest))
    return found


def is_first_order(*, customer_id: int | None, organization_id: UUID) -> bool:
    """Returns whether an order of this organization would be the customer's first. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT orders_is_first_order(%s, %s)", [customer_id, organization_id])
        [is_first] = cursor.fetchone()
    return bool(is_first)


class Offer(NamedTuple):
    """A row of `OFFERED`. `basis_points` is the rate of VAT that is added; None where the price includes VAT."""

    kind: str
    id: UUID
    slug: str
    name: str
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
        and BundleDiscount(id=bundle.id, slug=bundle.slug, name=bundle.name, percent=bundle.price_minor),
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


def item_names(kind: type[CatalogItem], ids: Sequence[str]) -> list[str]:
    """Returns the names of items, also of retired ones, in the order of the ids. One query, none without ids."""
    known = [each for each in ids if _uuid(each)]
    names = {str(each.pk): each.name for each in kind._default_manager.filter(pk__in=known)} if known else {}
    return [names.get(each, each) for each in ids]


def app_slugs_of(organizations: Iterable[Organization]) -> dict[str, str]:
    """Returns the slugs of the organizations' apps, by id. One query, none where there is no app."""
    ids = {app for organization in organizations for app in organization.apps if _uuid(app)}
    found = App.objects.filter(id__in=ids).values_list("id", "slug") if ids else ()
    return {str(app): slug for app, slug in found}


def app_states_of(organizations: Iterable[Organization]) -> dict[UUID, dict[str, str]]:
    """Returns by organization the apps that are not settled: app id → installing, uninstalling or failed."""
    states: dict[UUID, dict[str, str]] = {organization.id: {} for organization in organizations}
    unsettled = UnsettledApp.objects.filter(organization__in=states).values_list("organization_id", "app_id", "state")
    for organization_id, app_id, state in unsettled if states else ():
        states[organization_id][str(app_id)] = state
    return states


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
        missing = [reference for reference in references if (kind, _normal(reference)) not in offered]
        if missing:
            error, field = _UNKNOWN[kind]
            raise error(f"{error.message}: {', '.join(missing)}"[:300], fields={field: missing})
        first: dict[UUID, str] = {}
        for reference in references:
            first.setdefault(offered[kind, _normal(reference)].id, reference)
        found[kind] = {reference: offered[kind, _normal(reference)] for reference in first.values()}
    return found


def _line(kind: OrderLine.Kind, item: Offer) -> Line:
    """Makes a line of a catalog item. Here a price of the catalog becomes the price that is charged."""
    net_minor = None if item.basis_points is None else item.price_minor
    line = Line(
        kind=kind, item_id=item.id, slug=item.slug, name=item.name, price_minor=item.price_minor, net_minor=net_minor
    )
    return line.at_rate(item.basis_points or 0)


_SHORTEST_UUID = 32


def _uuid(reference: str) -> UUID | None:
    if len(reference) < _SHORTEST_UUID:
        # Most references are slugs, and what UUID raises for one costs more than all else about it.
        return None
    try:
        return UUID(reference)
    except ValueError:
        return None


def _normal(reference: str) -> str:
    identity = _uuid(reference)
    return reference if identity is None else str(identity)


def find_organization(*, organization_id: UUID) -> Organization:
    """Returns an organization that is not deleted, with its customer, for staff. Raises: OrganizationNotFound."""
    organizations = Organization.objects.select_related("customer").exclude(status=Organization.Status.DELETED)
    found = organizations.filter(id=organization_id).first()
    if found is None:
        raise OrganizationNotFound
    return found


def find_organizations(*, term: str) -> QuerySet[Organization, Organization]:
    """Returns the organizations that are not deleted, newest first, with `member_count`; all of them without a term.

    A term is part of a name or slug, an id, or the owner's e-mail address or user id.
    """
    found = Organization.objects.exclude(status=Organization.Status.DELETED)
    wanted = term.strip()
    if wanted:
        owners = Customer.objects.filter(Q(user_id=wanted) | Q(email__iexact=wanted))
        named = Q(slug__contains=wanted.lower()) | Q(name__icontains=wanted) | Q(customer__in=owners)
        identity = _uuid(wanted)
        found = found.filter(named | Q(id=identity) if identity else named)
    members = OrganizationMember.objects.filter(organization=OuterRef("pk")).order_by().values("organization")
    counted = Subquery(members.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
    # The owner is counted too, and has no row.
    return found.annotate(member_count=Coalesce(counted, 0) + 1).order_by("-created_at", "-id")


def find_open_order(*, organization_id: UUID) -> Order | None:
    """Returns the organization's order that waits for a payment, with it; there is at most one. One query."""
    return (
        Order.objects.select_related("payment", "customer")
        .filter(organization_id=organization_id, status=Order.Status.PENDING)
        .first()
    )


def count_orders_today(*, user_id: str, statuses: Sequence[str], free: bool, now: datetime) -> int:
    """Counts the purchases in these states that the user placed within a day: free ones, or ones with a price."""
    return Order.objects.filter(
        Q(total_minor=0) if free else Q(total_minor__gt=0),
        customer__user_id=user_id,
        kind=Order.Kind.PURCHASE,
        status__in=statuses,
        created_at__gt=now - timedelta(days=1),
    ).count()


def orders_of(*, user_id: str) -> QuerySet[Order, Order]:
    """Returns the user's own orders, newest first, with their organizations and payments. One query."""
    own = Order.objects.select_related("organization", "payment").filter(customer__user_id=user_id)
    return own.order_by("-created_at", "-id")


def documents_of(*, user_id: str | None) -> QuerySet[Document, Document]:
    """Returns the documents of one user, or of all if none is given, newest first. One query."""
    documents = Document.objects.select_related("order", "corrects").order_by("-supplied_at", "-id")
    return documents if user_id is None else documents.filter(order__customer__user_id=user_id)


def orders_for_staff() -> QuerySet[Order, Order]:
    """Returns every order with its customer, and of its code whether it was retired since and whether it is a card's.

    One query.
    """
    of_card = PromoCode.objects.filter(id=OuterRef("promo_code_id"), for_cards=True)
    retired = PromoCode.objects.filter(id=OuterRef("promo_code_id"), retired_at__isnull=False)
    return Order.objects.select_related("customer").annotate(
        promo_deleted=exists_per_row(retired), promo_is_card=exists_per_row(of_card)
    )


def open_payments(*, now: datetime | None = None) -> QuerySet[Payment, Payment]:
    """Returns the payments that can be made now, with their orders: Stripe's page is open, and not past its end."""
    open_still = Payment.objects.filter(status=Payment.Status.OPEN, expires_at__gt=now or timezone.now())
    return open_still.select_related("order")


def open_payment_of(*, organization_id: UUID) -> Payment | None:
    """Returns the payment that the organization's month or order waits for; there is at most one. One query."""
    waiting = open_payments().filter(order__organization_id=organization_id, order__status=Order.Status.PENDING)
    return waiting.first()


def end_of_grace(subscription: Subscription) -> datetime | None:
    """Returns when the subscription ends unless the month that is due is paid before; None where none is due."""
    since = subscription.past_due_since
    # Only credit's is known: Stripe counts the days of what it charges itself.
    if since is None or subscription.status in ENDED_STATUSES:
        return None
    return since + timedelta(days=settings.RENEWAL_GRACE_DAYS)


_SOLD: dict[type[CatalogItem], str] = {
    Plan: """
SELECT EXISTS (SELECT FROM orders_order WHERE plan_id = %(id)s)
    OR EXISTS (SELECT FROM billing_subscription WHERE plan_id = %(id)s)
    OR EXISTS (SELECT FROM billing_organization WHERE plan_id = %(id)s)
""",
    AddOn: """
SELECT EXISTS (SELECT FROM orders_orderline WHERE kind = 'addon' AND item_id = %(id)s)
    OR EXISTS (SELECT FROM billing_subscription WHERE addon_ids ? %(id)s::text)
    OR EXISTS (SELECT FROM billing_organization WHERE addons ?| ARRAY[%(id)s::text, %(slug)s])
""",
    App: """
SELECT EXISTS (SELECT FROM billing_organization WHERE apps ?| ARRAY[%(id)s::text, %(slug)s])
    OR EXISTS (SELECT FROM orders_order WHERE apps ?| ARRAY[%(id)s::text, %(slug)s])
""",
}


def item_was_sold(item: CatalogItem) -> bool:
    """Returns whether an order, a subscription or an organization names the item.

    Industries and bundles are never sold.

    One query. It may read every order, because no index serves it: only a superadmin's removal of an item asks.
    """
    query = _SOLD.get(type(item))
    if query is None:
        return False
    with cursor_without_timeout() as cursor:
        cursor.execute(query, {"id": item.pk, "slug": item.slug})
        return bool(cursor.fetchone()[0])


def other_items_name(item: CatalogItem) -> bool:
    """Returns whether another catalog item refers to this one by its slug."""
    slug = item.slug
    named: dict[type[CatalogItem], tuple[QuerySet[Any], ...]] = {
        Plan: (
            App.objects.filter(Q(minimum_size=slug) | Q(recommended_size=slug)),
            Bundle.objects.filter(recommended_size=slug),
        ),
        App: (
            App.objects.filter(dependencies__contains=[slug]),
            Industry.objects.filter(suggested_apps__contains=[slug]),
            Bundle.objects.filter(apps__contains=[slug]),
        ),
        Bundle: (Industry.objects.filter(bundle=slug),),
    }
    return any(rows.exists() for rows in named.get(type(item), ()))


def domains_of(organization: Organization) -> QuerySet[Domain, Domain]:
    """Returns the domains that the organization brought, newest first. One query."""
    return Domain.objects.filter(organization=organization).order_by("-created_at", "-id")
