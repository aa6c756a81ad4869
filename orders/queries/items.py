"""Catalog items by themselves: their names, those that a restriction can name, and whether something needs one."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from billing.queries import cursor_without_timeout
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem
from promos.use_cases.restrictions.sold_items import SoldItem

from .references import parse_id

_RESTRICTABLE = """
SELECT rule, id, slug, name, name_ar, active
  FROM (SELECT 'plans' AS rule, id, slug, name, name_ar, active, sort_order, '' AS category FROM orders_plan
        UNION ALL SELECT 'addons', id, slug, name, name_ar, active, 0, category FROM orders_addon) AS sold
 ORDER BY sort_order, category, slug
"""


def item_names(kind: type[CatalogItem], ids: Sequence[str]) -> list[str]:
    """Returns the names of items in the active language, also of retired ones, in the order of the ids.

    One query, none without ids.
    """
    known = [each for each in ids if parse_id(each)]
    names = {str(each.pk): each.local_name for each in kind._default_manager.filter(pk__in=known)} if known else {}
    return [names.get(each, each) for each in ids]


def load_sold_items() -> dict[str, list[SoldItem]]:
    """Returns all plans and add-ons, in the catalog's order, for restrictions that name some. One query."""
    found: dict[str, list[SoldItem]] = {"plans": [], "addons": []}
    with connection.cursor() as cursor:
        cursor.execute(_RESTRICTABLE)
        for rule, item_id, *rest in cursor:
            found[rule].append(SoldItem(str(item_id), *rest))
    return found


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
