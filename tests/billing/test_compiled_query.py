"""A compiled query finds what the query finds, for each value, in each thread and with related rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from billing.database.compiled_query import CompiledQuery
from billing.models import Organization
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)


def build(*slugs: str) -> QuerySet[Organization, Organization]:
    named = Organization.objects.annotate(title=Concat("slug", Value("!"))).filter(slug__in=slugs)
    return named.select_related("customer").order_by("slug")


def test_it_finds_the_rows_of_its_values_with_related_rows_in_one_query() -> None:
    for slug in ("one", "two", "three"):
        OrganizationFactory.create(slug=slug)
    query = CompiledQuery(build)
    for slugs in (("one",), ("two",), ("three", "two"), ("one", "four"), ("five",)):
        with CaptureQueriesContext(connection) as queries:
            found = [(each.slug, each.title, each.customer.user_id) for each in query.fetch(*slugs)]  # type: ignore[attr-defined]
        assert len(queries) == 1
        assert found == [(each.slug, each.title, each.customer.user_id) for each in build(*slugs)]  # type: ignore[attr-defined]


def test_each_thread_uses_its_own_connection() -> None:
    OrganizationFactory.create(slug="one")
    query = CompiledQuery(build)
    assert len(query.fetch("one")) == 1

    def find() -> tuple[int, bool]:
        try:
            return len(query.fetch("one")), connection.connection is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(find).result() == (1, True)


def test_a_query_that_changes_a_value_is_refused() -> None:
    query = CompiledQuery(lambda slug: Organization.objects.filter(slug=slug + "x"))
    with pytest.raises(ValueError, match="changes a value"):
        query.fetch("one")
