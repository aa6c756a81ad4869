"""The public catalog, as the front ends read it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from orders.api.catalog.lists import forget_offers
from orders.models import AddOn, Plan, VatRate
from orders.use_cases.catalog.seed_catalog import seed_catalog
from tests.factories import AppFactory

from .api_client import Answer, Caller, by_token
from .conftest import open_shop
from .json_shapes import assert_shape
from .response_shapes import ADDON, APP, BUNDLE, INDUSTRY, PLAN

pytestmark = pytest.mark.django_db

SHAPES = {"plans": PLAN, "apps": APP, "addons": ADDON, "industries": INDUSTRY, "bundles": BUNDLE}


@pytest.fixture(params=["a small catalog", "the starting catalog"])
def catalog(request: pytest.FixtureRequest, db: None) -> Iterator[None]:
    (open_shop if request.param == "a small catalog" else seed_catalog)()
    forget_offers()
    yield


def read(caller: Caller, kind: str) -> Answer:
    answer = caller.get(f"catalog/{kind}")
    assert answer.status == 200
    return answer


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("kind", SHAPES)
def test_each_part_is_a_public_array_of_one_query(anybody: Caller, kind: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = read(anybody, kind)
    assert len(queries) == 1
    assert answer.body
    assert_shape(answer.body, [SHAPES[kind]])
    assert read(by_token("auditor"), kind).content == answer.content


@pytest.mark.parametrize("kind", SHAPES)
def test_without_a_catalog_each_part_is_an_empty_array(anybody: Caller, kind: str) -> None:
    assert read(anybody, kind).content == b"[]"


def test_a_plan_has_its_exact_price(anybody: Caller) -> None:
    open_shop()
    answer = read(anybody, "plans")
    assert [(each["slug"], each["price_minor"]) for each in answer.body] == [
        ("flexi", 0),
        ("s", 5_000),
        ("odd", 5_250),
        ("m", 9_000),
        ("l", 16_000),
        ("xl", 35_000),
    ]
    assert [str(each["price_omr"]) for each in answer.body] == ["0", "5", "5.25", "9", "16", "35"]
    assert b'"price_omr":5.25,' in answer.content and b'"price_omr":9,' in answer.content
    [plan] = [each for each in answer.body if each["slug"] == "s"]
    assert plan == {
        "id": str(Plan.objects.get(slug="s").id),
        "slug": "s",
        "name": "S",
        "description": "",
        "cpu": "2 vCPU",
        "memory": "4 GB",
        "storage": "25 GB",
        "price_omr": 5,
        "price_minor": 5_000,
        "currency": "OMR",
        "popular": False,
        "sort_order": 1,
        "features": ["fast"],
        "stripe_price_id": "",
    }


def test_prices_without_vat_stand_beside_those_that_are_charged(anybody: Caller, settings: Settings) -> None:
    open_shop()
    assert all("price_with_vat_minor" not in each for each in read(anybody, "plans").body)
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    settings.PRICES_INCLUDE_VAT = False
    prices = {
        each["slug"]: (each["price_minor"], each["price_with_vat_minor"]) for each in read(anybody, "plans").body
    }
    assert (prices["flexi"], prices["m"], prices["odd"]) == ((0, 0), (9_000, 9_450), (5_250, 5_510))
    VatRate.objects.create(starts_on=date(2021, 4, 17), basis_points=1_000)
    charged = {each["slug"]: each["price_with_vat_minor"] for each in read(anybody, "plans").body}
    assert charged["m"] == 9_900


def test_texts_are_in_arabic_for_a_client_that_prefers_it(anybody: Caller) -> None:
    seed_catalog()
    forget_offers()
    english = read(anybody, "addons")
    arabic = anybody.get("catalog/addons", Accept_Language="ar-OM,en;q=0.5")
    again = anybody.get("catalog/addons", Accept_Language="fr,en")
    assert again.content == english.content
    [before, after] = [
        next(each for each in answer.body if each["slug"] == "daily-backup") for answer in (english, arabic)
    ]
    assert before["name"] == "Daily Backup"
    assert after == before | {"name": "نسخ احتياطي يومي", "description": after["description"]}
    assert after["description"].startswith("تُحفظ كل يوم")
    assert english.headers["ETag"] != arabic.headers["ETag"]
    assert all("accept-language" in each.headers["Vary"].lower() for each in (english, arabic))
    # What has no Arabic text stays in English.
    AddOn.objects.filter(slug="daily-backup").update(name_ar="")
    arabic = anybody.get("catalog/addons", Accept_Language="ar")
    assert "Daily Backup" in [each["name"] for each in arabic.body]


def test_withdrawn_items_are_absent(anybody: Caller) -> None:
    open_shop()
    AddOn.objects.filter(slug="backup").update(active=False)
    assert {each["slug"] for each in read(anybody, "addons").body} == {"disaster-recovery", "waf"}


def test_the_whole_catalog_is_one_page_unless_the_limit_is_lower(anybody: Caller) -> None:
    for number in range(120):
        AppFactory.create(slug=f"app-{number:03}")
    answer = read(anybody, "apps")
    assert len(answer.body) == 120
    assert "Link" not in answer.headers


@pytest.mark.parametrize(
    ("kind", "number"), [("plans", 5), ("addons", 9), ("apps", 30), ("industries", 10), ("bundles", 3)]
)
def test_the_seeded_catalog_is_complete_with_stable_ids(anybody: Caller, kind: str, number: int) -> None:
    seed_catalog()
    first: Any = read(anybody, kind).body
    assert len(first) == number
    assert len({each["id"] for each in first}) == number
    seed_catalog()
    assert read(anybody, kind).body == first
