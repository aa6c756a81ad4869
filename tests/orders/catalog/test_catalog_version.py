"""The catalog's version is another after every change of what it offers, and after nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from orders.models import AddOn, App, CatalogVersion, Plan
from tests.factories import AddOnFactory, AppFactory, BundleFactory, IndustryFactory, PlanFactory

pytestmark = pytest.mark.django_db

ITEMS = [(Plan, PlanFactory), (AddOn, AddOnFactory), (App, AppFactory)]


def changes(act: Callable[[], object]) -> bool:
    """Whether the version is another afterwards; there is one, before and after."""
    before = CatalogVersion.objects.get().version
    act()
    return CatalogVersion.objects.get().version != before


def truncate(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")


@pytest.mark.parametrize(("model", "factory"), ITEMS, ids=lambda each: each.__name__)
def test_every_change_of_an_item_makes_another_version(model: Any, factory: Any) -> None:
    assert changes(lambda: factory.create(slug="one"))
    assert changes(lambda: model.objects.filter(slug="one").update(active=False))
    assert changes(lambda: model.objects.filter(slug="one").delete())
    assert changes(lambda: truncate(model._meta.db_table))


def test_other_tables_and_reading_leave_the_version() -> None:
    PlanFactory.create(slug="one")
    assert not changes(lambda: (IndustryFactory.create(), BundleFactory.create()))
    assert not changes(lambda: list(Plan.objects.filter(slug="one").select_for_update()))


@pytest.mark.parametrize(("model", "factory"), ITEMS, ids=lambda each: each.__name__)
def test_an_item_that_is_saved_as_it_was_leaves_the_version(model: Any, factory: Any) -> None:
    factory.create(slug="one")
    assert not changes(lambda: model.objects.get(slug="one").save())
    assert not changes(lambda: model.objects.filter(slug="none").update(active=False))


def test_a_version_that_was_rolled_back_never_comes_again() -> None:
    seen = [CatalogVersion.objects.get().version]
    for _ in range(2):
        with transaction.atomic():
            PlanFactory.create(slug="one")
            seen.append(CatalogVersion.objects.get().version)
            transaction.set_rollback(True)
    assert CatalogVersion.objects.get().version == seen[0]
    assert len(set(seen)) == 3


def test_the_version_is_made_anew_where_it_is_missing() -> None:
    CatalogVersion.objects.all().delete()
    PlanFactory.create()
    assert CatalogVersion.objects.count() == 1
