"""Finance's systems read a month's figures, and close the next month."""

import pytest
from django.utils import timezone

from orders.use_cases.books.close_month import next_month_to_close
from orders.use_cases.books.month import month_of

from .api_client import Caller, by_token
from .conftest import tenant_of
from .json_shapes import assert_shape, flag, moment, text, whole

pytestmark = pytest.mark.django_db(transaction=True)

MONTHS = "billing/admin/months"
MONTH = {"month": text, "closed_at": moment, "closed_by": text, "hash": text}
BOOK = {"book": text, "currency": text, "opening_minor": whole, "closing_minor": whole}
ACCOUNT = {"account": text, "cost_centre": text, "currency": text, "debit_minor": whole, "credit_minor": whole}
FIGURES = {"month": text, "starts_at": moment, "ends_at": moment, "closed": flag}


def test_a_months_figures_add_up_before_and_after_it_is_closed(shop: None, ada: Caller) -> None:
    root = by_token("superadmin")
    tenant = tenant_of(ada, "acme")
    assert ada.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"}).status == 200
    current = month_of(timezone.now()).name
    found = root.get(f"{MONTHS}/{current}")
    assert found.status == 200
    figures = dict(found.body)
    books, accounts = figures.pop("books"), figures.pop("accounts")
    assert_shape(figures, FIGURES)
    assert (figures["month"], figures["closed"]) == (current, False)
    assert {book["book"] for book in books} == {"credit", "held", "card", "disputed", "receivable"}
    for book in books:
        lines = book.pop("lines")
        assert_shape(book, BOOK)
        assert book["opening_minor"] + sum(line["amount_minor"] for line in lines) == book["closing_minor"]
    for account in accounts:
        assert_shape(account, ACCOUNT)
    assert sum(each["debit_minor"] - each["credit_minor"] for each in accounts) == 0

    month = next_month_to_close().name
    closed = root.post(f"{MONTHS}/{month}/close", {"reason": "month end"})
    assert closed.status == 200
    assert_shape(closed.body, MONTH)
    assert root.get(MONTHS).body == [closed.body]
    assert root.get(f"{MONTHS}/{month}").body["closed"] is True
    assert root.post(f"{MONTHS}/{month}/close", {"reason": "again"}).code == "month_already_closed"
    assert root.post(f"{MONTHS}/2199-01/close", {"reason": "early"}).code == "month_not_over"


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1x", "x"])
def test_a_month_that_is_none_is_refused(shop: None, month: str) -> None:
    answer = by_token("superadmin").get(f"{MONTHS}/{month}")
    assert (answer.status, answer.code) == (400, "invalid_request")
