"""A search of the ledger finds exactly the entries of its conditions, in pages and in parts."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Q
from django.utils import timezone

from billing.models import LedgerEntry
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from orders.use_cases.ledger import find_entries
from orders.use_cases.ledger.find_entries import (
    EntrySearch,
    find_page,
    in_time,
    keys_in_parts,
    keys_in_time,
    of_campaign,
    of_class,
    of_kind,
    of_size,
    total_all,
    try_total,
)
from promos.models import Redemption
from promos.use_cases import redeem_code
from tests.console import place_orders
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_entries, "MAX_SCANNED", 4)


def pages(search: EntrySearch, length: int) -> Iterator[list[LedgerEntry]]:
    before: UUID | None = None
    while True:
        page = find_page(search, before=before, length=length)
        yield page.entries
        if page.older is None:
            return
        before = page.older


def test_pages_and_parts_hold_every_entry_once_in_order() -> None:
    place_orders(6)
    grants = LedgerEntry.objects.filter(of_kind("grant"))
    wanted = list(grants.order_by("-pk"))
    assert len(wanted) == 6
    for narrow in (True, False):
        search = EntrySearch(entries=grants, is_narrow=narrow)
        for length in (1, 2, 5, 50):
            assert [entry for page in pages(search, length) for entry in page] == wanted
            parts = list(keys_in_parts(search, size=length))
            assert [key for part in parts for key in part] == [entry.pk for entry in reversed(wanted)]
            assert max(map(len, parts)) <= length
        assert total_all(search).in_minor == 60_000
    narrow_total = try_total(EntrySearch(entries=grants, is_narrow=True))
    assert narrow_total is not None
    assert (narrow_total.number, narrow_total.net_minor) == (6, 60_000)
    assert try_total(EntrySearch(entries=grants)) is None


def test_each_condition_finds_exactly_its_entries() -> None:
    customer = CustomerFactory.create()
    retail = CampaignFactory.create(credit_class="sold", name="Retail")
    sold = PromoCodeFactory.create(credit_minor=7_000, campaign_id=retail.pk, credit_days=1)
    redeem_code.redeem(code=sold.code, user_id=customer.user_id, by=acting(customer))
    spent = place_orders(1)[0]
    up = adjust_credit(customer_id=customer.pk, amount_minor=250, why="sorry", by=actor())
    undone = reverse_entry(entry_id=up.pk, why="by mistake", by=actor())
    redeem_code.release(redemption=Redemption.objects.get(promo_code=sold), reason="by mistake", by=actor())
    of_retail = list(LedgerEntry.objects.filter(account_id=customer.pk, redemption_id__isnull=False).order_by("pk"))
    assert [entry.kind for entry in of_retail] == ["grant", "reversal"]

    def found(condition: Q) -> list[Any]:
        return list(LedgerEntry.objects.filter(condition).order_by("pk"))

    for narrow in (True, False):
        assert found(of_campaign(retail.pk, is_narrow=narrow)) == of_retail
    assert found(of_class("sold")) == of_retail[:1]
    assert [entry.kind for entry in found(of_class("promotional"))] == ["grant", "adjustment"]
    assert found(of_kind("adjustment")) == [up]
    assert found(of_size(250, 250)) == [up, undone]
    assert [entry.order_id for entry in found(of_kind("spend"))] == [spent.pk]


def test_a_time_includes_its_first_microsecond_and_not_its_end() -> None:
    entry = adjust_credit(customer_id=CustomerFactory.create().pk, amount_minor=250, why="sorry", by=actor())
    entry.refresh_from_db()
    at, tick = entry.created_at, timedelta(microseconds=1)

    def is_found(since: Any, until: Any) -> bool:
        first, end = keys_in_time(since, until)
        search = EntrySearch(entries=LedgerEntry.objects.filter(in_time(since, until)), first=first, end=end)
        assert total_all(search).number == sum(map(len, keys_in_parts(search, size=9)))
        return bool(find_page(search, before=None, length=9).entries)

    assert is_found(at, at + tick)
    assert not is_found(at + tick, None)
    assert not is_found(None, at)
    assert is_found(None, None)
    assert not is_found(timezone.now() + timedelta(days=9), None)
