"""A superadmin edits the catalog in the console; each change is audited, and nothing is deleted."""

from typing import Any

import pytest
from django.urls import reverse

from billing.actor import SUPERADMIN
from billing.models import AuditEntry, User
from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.models.catalog import CatalogItem
from tests.console import Browser, client_of, create_user, expected_audit_entry, form_errors, latest_audit_entry
from tests.factories import AddOnFactory, AppFactory, BundleFactory, IndustryFactory, PlanFactory
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

WHY = "prices of 2027"
PLAN = {
    "name": "Medium",
    "slug": "m",
    "active": "on",
    "price_minor": "9.500",
    "cpu": "2 vCPU",
    "memory": "4 GB",
    "storage": "25 GB",
    "sort_order": "1",
    "features": "Backups\n\n  Support \n",
    "reason": WHY,
}


@pytest.fixture
def sara(db: None) -> User:
    return create_user(SUPERADMIN)


@pytest.fixture
def client(sara: User) -> Browser:
    return client_of(sara)


def adding(name: str) -> str:
    return reverse(f"admin:orders_{name}_add")


def page_of(item: CatalogItem) -> str:
    return reverse(f"admin:orders_{item._meta.model_name}_change", args=[item.pk])


def form_on(client: Browser, item: CatalogItem, **changed: str) -> dict[str, Any]:
    """The fields that the item's form sends after these changes."""
    form = client.get(page_of(item)).context["adminform"].form
    kept = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in kept.items() if value is not None and value is not False}
    return sent | {"reason": WHY} | changed


def test_a_superadmin_adds_a_plan(client: Browser, sara: User) -> None:
    with only_changes("orders_plan", "orders_catalogversion", "billing_auditentry"):
        client.submit(adding("plan"), PLAN)
    plan = Plan.objects.get()
    assert (plan.name, plan.slug, plan.price_minor, plan.features) == ("Medium", "m", 9_500, ["Backups", "Support"])
    assert latest_audit_entry() == expected_audit_entry(sara, "plan.created", plan.pk, why=WHY)


def test_a_price_is_changed_and_audited(client: Browser, sara: User) -> None:
    plan = PlanFactory.create(price_minor=9_000, features=["Backups"])
    client.submit(page_of(plan), form_on(client, plan, price_minor="9.5"))
    plan.refresh_from_db()
    assert (plan.price_minor, plan.features) == (9_500, ["Backups"])
    assert latest_audit_entry() == expected_audit_entry(sara, "plan.changed", plan.pk, why=WHY)
    assert AuditEntry.objects.get().changes == {"price_minor": [9_000, 9_500]}


def test_a_slug_cannot_be_changed(client: Browser) -> None:
    plan = PlanFactory.create(slug="m")
    with only_changes():
        client.submit(page_of(plan), form_on(client, plan, slug="other"))


@pytest.mark.parametrize("factory", [PlanFactory, AddOnFactory, AppFactory, IndustryFactory, BundleFactory])
def test_saving_an_item_unchanged_changes_nothing(client: Browser, factory: Any) -> None:
    item = factory.create()
    with only_changes():
        assert client.submit(page_of(item), form_on(client, item)).status_code == 302


@pytest.mark.parametrize("factory", [PlanFactory, AddOnFactory, AppFactory, IndustryFactory, BundleFactory])
def test_an_item_can_be_deactivated(client: Browser, factory: Any) -> None:
    item = factory.create()
    sent = form_on(client, item)
    del sent["active"]
    client.submit(page_of(item), sent)
    item.refresh_from_db()
    assert not item.active
    assert AuditEntry.objects.get().changes == {"active": [True, False]}


def test_an_included_add_on_must_cost_nothing(client: Browser) -> None:
    item = AddOnFactory.create(price_minor=3_000)
    with nothing_changes():
        answer = client.submit(page_of(item), form_on(client, item, included="on"))
    assert form_errors(answer) == {"price_minor": ["An included add-on costs nothing: its price must be 0."]}


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        ("9.995", "prices are 9.990 OMR and 10.000 OMR"),
        ("0.150", "prices are 0.000 OMR and 0.200 OMR"),
        ("0.199", "prices are 0.000 OMR and 0.200 OMR"),
        ("100,000.000", "price is 99,999.990 OMR"),
    ],
)
@pytest.mark.parametrize("factory", [PlanFactory, AddOnFactory])
def test_a_price_that_stripe_cannot_charge_is_refused_with_the_nearest(
    client: Browser, factory: Any, price: str, nearest: str
) -> None:
    item = factory.create()
    with nothing_changes():
        answer = client.submit(page_of(item), form_on(client, item, price_minor=price.replace(",", "")))
    sentence = f"{price} OMR cannot be charged to a card; the nearest {nearest}."
    assert form_errors(answer) == {"price_minor": [sentence]}


def test_a_price_that_can_no_longer_be_charged_does_not_hinder_other_changes(client: Browser) -> None:
    plan = PlanFactory.create(price_minor=9_995)
    assert client.submit(page_of(plan), form_on(client, plan, name="Renamed")).status_code == 302
    plan.refresh_from_db()
    assert (plan.name, plan.price_minor) == ("Renamed", 9_995)


def test_an_item_without_descriptive_texts_can_be_edited(client: Browser) -> None:
    plan = PlanFactory.create(cpu="", memory="", storage="")
    assert client.submit(page_of(plan), form_on(client, plan, name="Renamed")).status_code == 302


BAD_PLANS = [
    ("name", ""),
    ("name", "x" * 101),
    ("name", "a\0b"),
    ("slug", ""),
    ("slug", "not a slug"),
    ("slug", "taken"),
    ("price_minor", ""),
    ("price_minor", "-1"),
    ("price_minor", "1.2345"),
    ("price_minor", "NaN"),
    ("price_minor", "9" * 30),
    ("cpu", "x" * 51),
    ("sort_order", "9" * 30),
    ("sort_order", "1.5"),
    ("features", "a\0b"),
    ("features", "x" * 10_001),
    ("stripe_price_id", "x" * 256),
    ("reason", " "),
]


@pytest.mark.parametrize(("field", "value"), BAD_PLANS)
def test_a_bad_plan_is_not_added(client: Browser, field: str, value: str) -> None:
    PlanFactory.create(slug="taken")
    with nothing_changes():
        answer = client.submit(adding("plan"), PLAN | {field: value})
    assert list(form_errors(answer)) == [field]


@pytest.mark.parametrize(
    ("factory", "field", "value"),
    [
        (BundleFactory, "discount_percent", "101"),
        (BundleFactory, "discount_percent", "-1"),
        (BundleFactory, "apps", "a\0b"),
        (AppFactory, "website", "javascript:alert(1)"),
        (AppFactory, "website", "x\0"),
        (AppFactory, "ram_mb", "9" * 20),
        (IndustryFactory, "emoji", "x" * 17),
        (IndustryFactory, "display_order", "nonsense"),
        (AddOnFactory, "category", "x" * 51),
    ],
)
def test_a_bad_item_is_not_changed(client: Browser, factory: Any, field: str, value: str) -> None:
    item = factory.create()
    with nothing_changes():
        answer = client.submit(page_of(item), form_on(client, item, **{field: value}))
    assert list(form_errors(answer)) == [field]


def test_items_cannot_be_deleted(client: Browser) -> None:
    items: list[CatalogItem] = [
        PlanFactory.create(),
        AddOnFactory.create(),
        AppFactory.create(),
        IndustryFactory.create(),
        BundleFactory.create(),
    ]
    with nothing_changes():
        for item in items:
            address = reverse(f"admin:orders_{item._meta.model_name}_delete", args=[item.pk])
            assert client.submit(address, {"post": "yes"}).status_code == 403
    assert [model.objects.count() for model in (Plan, AddOn, App, Industry, Bundle)] == [1] * 5
