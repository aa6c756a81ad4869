"""The queries of the customers' pages: few, and as many for one row as for fifty."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.customer_pages import create_pages, page_names

pytestmark = pytest.mark.django_db

# The pages stay under it.
QUERIES_ALLOWED = 15


def measure_queries(rows: int) -> dict[str, list[str]]:
    """Returns the statements of each page, by its name and its number among the pages of that name."""
    found: dict[str, list[str]] = {}
    numbers: Counter[str] = Counter()
    for name, client, address in create_pages(rows=rows):
        with CaptureQueriesContext(connection) as captured:
            answer: Any = client.get(address)
        assert answer.status_code == 200 or name == "account_provider_callback", (address, answer.status_code)
        numbers[name] += 1
        # A savepoint stands where a transaction begins or ends outside of tests.
        sent = [each["sql"] for each in captured.captured_queries if "SAVEPOINT" not in each["sql"]]
        found[f"{name} {numbers[name]}"] = sent
    return found


@pytest.fixture(scope="module")
def measured() -> dict[int, dict[str, list[str]]]:
    return {}


@pytest.mark.parametrize("rows", [1, 50])
def test_no_page_costs_many_queries(rows: int, measured: dict[int, dict[str, list[str]]]) -> None:
    found = measured[rows] = measure_queries(rows)
    assert {page: len(sent) for page, sent in found.items() if len(sent) >= QUERIES_ALLOWED} == {}
    first = measured.setdefault(1, found)
    assert {page: len(sent) for page, sent in found.items()} == {page: len(sent) for page, sent in first.items()}


def test_every_page_is_named() -> None:
    assert page_names() == {name for name, _, _ in create_pages(rows=1)}
