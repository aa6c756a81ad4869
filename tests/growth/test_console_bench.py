"""The benchmark of the console fills a database that adds up, and finds the pages that it times."""

import pytest
from django.db.models import Sum

from billing.actor import SUPERADMIN
from promos.models import Batch, BudgetCounter, Card, Redemption, RefusedAttempt
from tests.bench.console.addresses import all_addresses
from tests.bench.console.fill import BATCH, fill_database
from tests.bench.console.measure import time_page
from tests.console import client_of, create_user
from tests.large_history import Connection

CARDS, ENTRIES, CODES = 200, 1_000, 20
CUSTOMERS = ENTRIES // 10


@pytest.fixture(scope="module")
def filled(empty_database: Connection) -> Connection:
    fill_database(empty_database, cards=CARDS, entries=ENTRIES, codes=CODES)
    return empty_database


def test_the_books_of_the_filled_database_add_up(filled: Connection) -> None:
    """Filling ends with the checks of operators, so only the numbers are left to look at."""
    batch = Batch.objects.get(promo_code__code=BATCH)
    assert (batch.size, batch.redeemed, Card.objects.filter(batch=batch).count()) == (CARDS, CUSTOMERS, CARDS)
    assert Redemption.objects.count() == 7 * CUSTOMERS
    assert RefusedAttempt.objects.count() == ENTRIES // 5
    budgeted = Redemption.objects.filter(promo_code__campaign__budget_minor__gt=0)
    used = BudgetCounter.objects.aggregate(used=Sum("used"))
    assert used["used"] == budgeted.aggregate(minor=Sum("credit_minor"))["minor"]


def test_lists_filters_searches_and_records_are_timed(filled: Connection) -> None:
    client = client_of(create_user(SUPERADMIN))
    found = all_addresses(client)
    parts = (
        "promos/card/?q=",
        "promos/campaign/?status=active",
        "promos/promocode/?state=retired",
        "promos/cardrange/?q=Dealer",
        "promos/promocode/import/",
        "orders/order/?p=",
        "ledgerentry/explain/?",
    )
    for part in parts:
        assert any(part in address for address in found), part
    page = time_page(client, "/admin/", turns=1)
    assert page is not None
    assert page.queries > 5
    assert time_page(client, "/admin/promos/card/999999999999/change/", turns=1) is None
