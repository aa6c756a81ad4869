"""A basket is priced by the current catalog; references are ids or slugs, and each item counts once."""

from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.models import AddOn, App, Plan
from orders.models.basket import Basket, Line
from orders.models.order import OrderLine
from orders.queries.offer import load_basket
from tests.factories import ids_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("catalog")]


def test_basket_is_priced_line_by_line_by_one_query() -> None:
    with CaptureQueriesContext(connection) as queries:
        basket = load_basket(plan="m", apps=["wordpress"], addons=["support", "backup", "waf"])
    assert len(queries) == 1
    assert [(line.kind, line.slug, line.price_minor) for line in basket.lines] == [
        ("plan", "m", 9_000),
        ("addon", "support", 5_000),
        ("addon", "backup", 3_000),
        ("addon", "waf", 0),
    ]
    assert basket.total_minor == 17_000


def test_ids_and_slugs_name_the_same_items() -> None:
    plan, addon, app = Plan.objects.get(slug="m"), AddOn.objects.get(slug="backup"), App.objects.get(slug="ghost")
    by_slug = load_basket(plan="m", apps=["ghost"], addons=["backup"])
    by_id = load_basket(plan=str(plan.id), apps=[str(app.id)], addons=[str(addon.id)])
    by_upper_case_id = load_basket(plan=str(plan.id).upper(), apps=[], addons=[str(addon.id).upper()])
    assert by_slug.lines == by_id.lines == by_upper_case_id.lines
    assert by_slug.plan.item_id == plan.id


def test_items_are_named_by_id_in_the_order_of_their_references() -> None:
    addon, app = AddOn.objects.get(slug="backup"), App.objects.get(slug="ghost")
    basket = load_basket(plan="m", apps=["wordpress", str(app.id)], addons=[str(addon.id).upper(), "waf"])
    assert list(basket.apps) == ids_of(App, "wordpress", "ghost")
    assert list(basket.addons) == ids_of(AddOn, "backup", "waf")


def test_item_named_twice_counts_once_also_by_id_and_slug() -> None:
    addon, app = AddOn.objects.get(slug="backup"), App.objects.get(slug="ghost")
    basket = load_basket(
        plan="m",
        apps=["ghost", str(app.id), "ghost"],
        addons=["backup", str(addon.id), "backup", str(addon.id).upper()],
    )
    assert basket.total_minor == 12_000
    assert (basket.apps, basket.addons) == ((str(app.id),), (str(addon.id),))
    assert [line.slug for line in basket.addon_lines] == ["backup"]


def test_slug_of_another_kind_of_item_is_not_confused() -> None:
    AddOn.objects.create(slug="m", name="An add-on named m", price_minor=1, category="x")
    basket = load_basket(plan="m", apps=[], addons=["m"])
    assert [(line.kind, line.price_minor) for line in basket.lines] == [("plan", 9_000), ("addon", 1)]


def test_add_on_ids_are_sorted_so_that_baskets_compare() -> None:
    one = load_basket(plan="m", apps=[], addons=["backup", "support", "waf"])
    other = load_basket(plan="m", apps=[], addons=["waf", "support", "backup"])
    assert one.addon_ids == other.addon_ids == sorted(one.addon_ids)
    assert len(one.addon_ids) == 3


def test_total_is_the_sum_of_all_lines() -> None:
    def line(kind: OrderLine.Kind, number: int, price_minor: int) -> Line:
        return Line(kind=kind, item_id=UUID(int=number), slug=str(number), name="x", price_minor=price_minor)

    basket = Basket(
        plan=line(OrderLine.Kind.PLAN, 1, 10**12),
        addon_lines=(line(OrderLine.Kind.ADDON, 2, 1), line(OrderLine.Kind.ADDON, 3, 0)),
        apps=(),
        addons=(),
    )
    assert basket.total_minor == 10**12 + 1
