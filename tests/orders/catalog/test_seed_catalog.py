"""The starting catalog is added once; what staff changed stays."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import catalog_id
from orders.use_cases.catalog.seed_catalog import fill_arabic_texts, seed_catalog
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"plans": 5, "addons": 9, "apps": 30, "industries": 10, "bundles": 3}
NONE = dict.fromkeys(ALL, 0)


def test_first_seed_adds_everything_at_its_price() -> None:
    assert seed_catalog() == ALL
    assert dict(Plan.objects.values_list("slug", "price_minor")) == {
        "s": 5_000,
        "m": 9_000,
        "l": 16_000,
        "xl": 30_000,
        "flexi": 0,
    }
    assert dict(AddOn.objects.filter(included=False).values_list("slug", "price_minor")) == {
        "daily-backup": 3_000,
        "priority-support": 5_000,
        "api-access": 5_000,
        "dedicated-ip": 5_000,
        "log-management": 3_000,
    }
    assert AddOn.objects.filter(included=True, price_minor=0).count() == 4


def test_second_seed_changes_nothing() -> None:
    seed_catalog()
    with nothing_changes():
        assert seed_catalog() == NONE


def test_staffs_changes_survive_and_what_they_removed_comes_back() -> None:
    seed_catalog()
    Plan.objects.filter(slug="m").update(price_minor=9_500, name="Medium", active=False)
    App.objects.filter(slug="ghost").delete()
    own = Plan.objects.create(slug="own", name="Own", cpu="1", memory="1", storage="1", price_minor=1)
    assert seed_catalog() == {**NONE, "apps": 1}
    changed = Plan.objects.get(slug="m")
    assert (changed.price_minor, changed.name, changed.active) == (9_500, "Medium", False)
    assert Plan.objects.filter(pk=own.pk).exists()


def test_ids_are_the_same_in_every_deployment() -> None:
    seed_catalog()
    assert Plan.objects.get(slug="m").id == catalog_id("plan", "m")
    assert AddOn.objects.get(slug="daily-backup").id == catalog_id("addon", "daily-backup")
    assert len({item.pk for model in (Plan, AddOn, App, Industry, Bundle) for item in model.objects.all()}) == 57


def test_everything_the_catalog_refers_to_is_in_it() -> None:
    seed_catalog()
    apps = set(App.objects.values_list("slug", flat=True))
    plans = set(Plan.objects.values_list("slug", flat=True))
    bundles = set(Bundle.objects.values_list("slug", flat=True))
    assert {slug for app in App.objects.all() for slug in app.dependencies} <= apps
    assert {slug for industry in Industry.objects.all() for slug in industry.suggested_apps} <= apps
    assert {slug for bundle in Bundle.objects.all() for slug in bundle.apps} <= apps
    assert {industry.bundle for industry in Industry.objects.all()} - {""} <= bundles
    assert {bundle.recommended_size for bundle in Bundle.objects.all()} - {""} <= plans


def test_command_says_what_was_added() -> None:
    out = StringIO()
    call_command("seed_catalog", stdout=out)
    assert out.getvalue().splitlines() == [
        *(f"{section}: {number} added" for section, number in ALL.items()),
        "Arabic texts of items from before: 0 added",
    ]


def test_items_from_before_there_was_arabic_get_it() -> None:
    seed_catalog()
    arabic = {plan.slug: (plan.name_ar, plan.description_ar, plan.features_ar) for plan in Plan.objects.all()}
    Plan.objects.update(name_ar="", description_ar="", features_ar=[])
    Bundle.objects.update(tagline_ar="")
    assert fill_arabic_texts() == 2 * len(arabic) + 1 + ALL["bundles"]  # only one plan's name has letters to write
    found = {plan.slug: (plan.name_ar, plan.description_ar, plan.features_ar) for plan in Plan.objects.all()}
    assert found == arabic
    assert not Bundle.objects.filter(tagline_ar="").exists()
    with nothing_changes():
        assert fill_arabic_texts() == 0


def test_arabic_is_not_added_to_what_staff_wrote() -> None:
    seed_catalog()
    Plan.objects.filter(slug="s").update(description="For the smallest shops.", description_ar="")
    Plan.objects.filter(slug="m").update(description_ar="باقة المتاجر")
    own = Plan.objects.create(slug="own", name="Flexi", cpu="1", memory="1", storage="1", price_minor=1)
    with nothing_changes():
        assert fill_arabic_texts() == 0
    own.refresh_from_db()
    assert own.name_ar == ""


def test_prices_that_stripe_cannot_charge_are_not_seeded(settings: Any) -> None:
    settings.STRIPE_MINIMUM_CHARGE_MINOR = 4_000
    with nothing_changes(), pytest.raises(CommandError) as refused:
        call_command("seed_catalog")
    assert str(refused.value).startswith("the starting catalog was not added: daily-backup: 3.000 OMR cannot be")
    assert (
        "log-management: 3.000 OMR cannot be charged to a card; the nearest prices are 0.000 OMR and 4.000 OMR"
        in (str(refused.value))
    )
