"""The catalog's version changes with every change of its items, and with nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from orders.models import AddOn, App, Bundle, CatalogVersion, Industry, Plan
from tests.factories import AddOnFactory, AppFactory, BundleFactory, CustomerFactory, IndustryFactory, PlanFactory

pytestmark = pytest.mark.django_db

ITEMS = [
    (Plan, PlanFactory),
    (AddOn, AddOnFactory),
    (App, AppFactory),
    (Industry, IndustryFactory),
    (Bundle, BundleFactory),
]


def changes(action: Callable[[], object]) -> bool:
    """Perform the action and return whether it changed the version."""
    before = CatalogVersion.objects.get().version
    action()
    return CatalogVersion.objects.get().version != before


def truncate(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")


@pytest.mark.parametrize(("model", "factory"), ITEMS, ids=lambda each: each.__name__)
def test_every_change_of_an_item_changes_the_version(model: Any, factory: Any) -> None:
    assert changes(lambda: factory.create(slug="one"))
    assert changes(lambda: model.objects.filter(slug="one").update(active=False))
    assert changes(lambda: model.objects.filter(slug="one").delete())
    assert changes(lambda: truncate(model._meta.db_table))


def test_reading_and_other_tables_do_not_change_the_version() -> None:
    PlanFactory.create(slug="one")
    assert not changes(CustomerFactory.create)
    assert not changes(lambda: list(Plan.objects.filter(slug="one").select_for_update()))


@pytest.mark.parametrize(("model", "factory"), ITEMS, ids=lambda each: each.__name__)
def test_saving_an_item_unchanged_does_not_change_the_version(model: Any, factory: Any) -> None:
    factory.create(slug="one")
    assert not changes(lambda: model.objects.get(slug="one").save())
    assert not changes(lambda: model.objects.filter(slug="none").update(active=False))


def test_a_version_that_was_rolled_back_is_never_used_again() -> None:
    seen = [CatalogVersion.objects.get().version]
    for _ in range(2):
        with transaction.atomic():
            PlanFactory.create(slug="one")
            seen.append(CatalogVersion.objects.get().version)
            transaction.set_rollback(True)
    assert CatalogVersion.objects.get().version == seen[0]
    assert len(set(seen)) == 3


def test_a_missing_version_is_created_by_the_next_change() -> None:
    CatalogVersion.objects.all().delete()
    PlanFactory.create()
    assert CatalogVersion.objects.count() == 1
