"""The first steps of the shop, without a script."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import App
from tests.factories import AddOnFactory, AppFactory, BundleFactory, IndustryFactory, PlanFactory
from tests.orders.web.shop.conftest import Visitor, text_of

pytestmark = pytest.mark.django_db


def test_each_step_leads_to_the_next_and_keeps_the_choice(visitor: Visitor) -> None:
    assert visitor.post("shop", plan="m").headers["Location"] == reverse("shop-apps")
    assert visitor.post("shop-apps", app=["wordpress", "unknown"]).headers["Location"] == reverse("shop-addons")
    assert visitor.post("shop-addons", addon=["backup", "waf"]).headers["Location"] == reverse("shop-checkout")
    page = visitor.get("shop-checkout")
    rows = [(row.name, row.price) for row in page.context["summary"].rows]
    assert rows == [("M", "9.000 OMR"), ("Backup", "3.000 OMR")]
    assert page.context["summary"].total == "12.000 OMR"
    assert page.context["summary"].apps == ["Wordpress"]


@pytest.mark.parametrize("name", ["shop-apps", "shop-addons", "shop-checkout"])
def test_a_step_without_a_plan_leads_to_the_plans(visitor: Visitor, name: str) -> None:
    assert visitor.get(name).headers["Location"] == reverse("shop")
    assert visitor.post("shop", plan="unknown").headers["Location"] == reverse("shop")


def test_apps_are_found_by_word_category_and_industry_and_stay_ticked(visitor: Visitor) -> None:
    AppFactory.create(slug="till", name="Till", tagline="Sells bread", category="sales")
    IndustryFactory.create(slug="bakery", suggested_apps=["till"])
    visitor.post("shop", plan="m")
    answer = visitor.post("shop-apps", app="wordpress", search="1", q="BREAD sells")
    assert answer.headers["Location"] == f"{reverse('shop-apps')}?q=BREAD+sells"
    for search in ({"q": "BREAD sells"}, {"category": "sales"}, {"industry": "bakery"}):
        cards = visitor.get("shop-apps", **search).context["apps"]
        assert [card.app.slug for card in cards if card.is_shown] == ["till"]
        assert [card.app.slug for card in cards if card.is_chosen] == ["wordpress"]
    assert "No app matches" in text_of(visitor.get("shop-apps", q="nothing"))


def test_a_bundle_is_added_and_taken_away_whole(visitor: Visitor) -> None:
    BundleFactory.create(slug="both", apps=["wordpress", "ghost"])
    visitor.post("shop", plan="m")
    for act, chosen in (("add-bundle", ["Ghost", "Wordpress"]), ("remove-bundle", [])):
        assert visitor.post("shop-apps", **{act: "both"}).headers["Location"] == reverse("shop-apps")
        assert visitor.get("shop-apps").context["summary"].apps == chosen


def test_the_best_complete_bundle_lowers_the_total_as_long_as_it_is_complete(visitor: Visitor) -> None:
    BundleFactory.create(slug="small", name="Small", apps=["ghost"], discount_percent=5)
    BundleFactory.create(slug="both", name="Both", apps=["wordpress", "ghost", "gone"], discount_percent=15)
    visitor.choose(plan="m", addons=("backup",))
    for apps, rows, total in (
        (["wordpress"], [], "12.000 OMR"),
        (["ghost"], [("Bundle Small: \N{MINUS SIGN}5%", "\N{MINUS SIGN}0.600 OMR")], "11.400 OMR"),
        (["ghost", "wordpress"], [("Bundle Both: \N{MINUS SIGN}15%", "\N{MINUS SIGN}1.800 OMR")], "10.200 OMR"),
    ):
        visitor.post("shop-apps", app=apps)
        summary = visitor.get("shop-addons").context["summary"]
        assert [(row.name, row.price) for row in summary.rows] == [("M", "9.000 OMR"), ("Backup", "3.000 OMR"), *rows]
        assert summary.total == total


def test_a_plan_that_is_too_small_is_said_and_a_larger_one_recommended(client: Client) -> None:
    for order, (slug, memory) in enumerate({"s": "4 GB", "m": "8 GB", "xl": "1 TB", "any": "On demand"}.items()):
        PlanFactory.create(
            slug=slug, sort_order=order, cpu="2 vCPU", memory=memory, storage="1 TB", price_minor=1_000
        )
    AppFactory.create(slug="store", system=True, ram_mb=1_024)
    AppFactory.create(slug="big", ram_mb=8_000, dependencies=["store"])
    AppFactory.create(slug="medium", minimum_size="m", recommended_size="xl")
    visitor = Visitor(client)
    for apps, is_too_small, recommended in ((["big"], True, "xl"), (["medium"], True, "xl"), ([], False, None)):
        visitor.choose(plan="s", apps=tuple(apps))
        summary = visitor.get("shop-apps").context["summary"]
        assert (summary.too_small, getattr(summary.recommended, "slug", None)) == (is_too_small, recommended)
    visitor.choose(plan="s", apps=("big",))
    memory = visitor.get("shop-apps").context["summary"].meters[0]
    assert (memory.needed, memory.offered, memory.percent, memory.exceeds) == ("8.8", "4 GB", 100, True)
    assert [card.is_too_small for card in visitor.get("shop").context["plans"]] == [True, True, False, False]


def test_the_script_gets_only_the_parts_that_change(visitor: Visitor) -> None:
    visitor.post("shop", plan="m")
    answer = visitor.client.post(reverse("shop-apps"), {"app": "ghost"}, headers={"X-Live": "1"})
    assert answer.status_code == 200 and "<html" not in text_of(answer) and "One app: Ghost" in text_of(answer)
    assert visitor.get("shop-addons").context["summary"].apps == ["Ghost"]


@pytest.mark.parametrize("items", [1, 50])
def test_the_steps_cost_the_same_queries_for_any_catalog(
    client: Client, django_assert_num_queries: Any, items: int
) -> None:
    for number in range(items):
        for factory in (PlanFactory, AddOnFactory, AppFactory, IndustryFactory, BundleFactory):
            factory.create(slug=f"item-{number}", name=f"Item {number}")
    visitor = Visitor(client)
    visitor.choose(plan="item-0", apps=tuple(App.objects.values_list("slug", flat=True)))
    for name, queries in {"shop": 5, "shop-apps": 6, "shop-addons": 5, "shop-checkout": 5}.items():
        with django_assert_num_queries(queries):
            page = visitor.get(name)
        assert page.status_code == 200 and len(page.content) < 50_000
