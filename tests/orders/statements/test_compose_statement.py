"""A statement has the credit before a month, each entry in words, and the credit after it, in both languages."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from django.utils.translation import override

from billing.models import Customer
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from orders.errors import InvalidMonth, StatementTooLong
from orders.use_cases.books.month import Month, month_of, read_month
from orders.use_cases.statements import compose_statement as composing
from orders.use_cases.statements.compose_statement import Statement, compose_statement, months_of_statements
from orders.use_cases.statements.render_statement import render_statement, words_of_line
from tests.console import place_orders
from tests.factories import CustomerFactory, actor
from tests.orders.web.shop.conftest import Visitor, buyer, catalog, client_of, text_of, user, visitor

pytestmark = pytest.mark.django_db
__all__ = ["buyer", "catalog", "client_of", "user", "visitor"]

FEBRUARY = Month(datetime(2026, 2, 1, tzinfo=UTC).date())
NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def ada() -> Customer:
    """A customer with an entry at the last moment before February, two in it, and one at its end."""
    ada = CustomerFactory.create(user_id="ada")
    by, reason = actor(), "promo:TEN"
    before, after = FEBRUARY.start - timedelta(microseconds=1), FEBRUARY.finish
    grant_credit(customer_id=ada.pk, amount_minor=10_000, reason=reason, by=by, now=before)
    spent = spend_credit(customer_id=ada.pk, amount_minor=4_000, order_id=uuid4(), by=by, now=FEBRUARY.start)
    reverse_entry(entry_id=spent.id, why="a mistake", by=by, now=after - timedelta(microseconds=1))
    grant_credit(customer_id=ada.pk, amount_minor=1, reason=reason, by=by, now=after)
    return ada


def statement_of(month: Month) -> Statement:
    return compose_statement(user_id="ada", month=month, now=NOW)


def test_the_opening_and_all_lines_make_the_closing(ada: Customer) -> None:
    january, february, march = (statement_of(read_month(f"2026-0{number}")) for number in (1, 2, 3))
    assert (january.opening_minor, january.closing_minor) == (0, 10_000)
    assert (february.opening_minor, february.closing_minor) == (10_000, 10_000)
    assert (march.opening_minor, march.closing_minor, march.is_over) == (10_000, 10_001, False)
    assert [(line.amount_minor, line.balance_minor) for line in february.lines] == [(-4_000, 6_000), (4_000, 10_000)]
    assert [words_of_line(line) for line in february.lines] == ["Paid for an order", "Given back"]
    with override("ar"):
        assert words_of_line(statement_of(read_month("2026-01")).lines[0]) == "القسيمة TEN"


def test_a_line_names_the_organization_of_its_order() -> None:
    order = place_orders(1)[0]
    statement = compose_statement(user_id=order.customer.user_id, month=month_of(timezone.now()))
    assert words_of_line(statement.lines[-1]) == f"Paid for an order, {order.organization.name}"


def test_a_month_that_has_not_begun_or_is_too_long_is_refused(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidMonth):
        statement_of(read_month("2026-04"))
    monkeypatch.setattr(composing, "MAX_LINES", 1)
    with pytest.raises(StatementTooLong):
        statement_of(FEBRUARY)
    nobody = compose_statement(user_id="nobody", month=FEBRUARY, now=NOW)
    assert (nobody.opening_minor, nobody.lines, nobody.closing_minor) == (0, (), 0)


def test_months_begin_with_the_first_entry(ada: Customer) -> None:
    assert [each.name for each in months_of_statements(user_id="ada", now=NOW)] == ["2026-03", "2026-02", "2026-01"]
    assert months_of_statements(user_id="nobody") == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_long_statement_has_several_pages(ada: Customer, language: str) -> None:
    statement = statement_of(FEBRUARY)
    many = Statement(
        month=FEBRUARY,
        email="ada@example.om",
        opening_minor=0,
        lines=statement.lines * 40,
        closing_minor=0,
        made_at=NOW,
    )
    file = render_statement(many, language=language)
    assert file.startswith(b"%PDF-") and file.count(b"/Type /Page\n") == 3
    assert file == render_statement(many, language=language)


def test_the_account_has_a_page_and_a_file_of_each_month(buyer: Visitor, ada: Customer) -> None:
    Customer.objects.filter(pk=ada.pk).update(user_id=buyer.get("account").context["visitor"].user_id)
    assert "2026-02" in text_of(buyer.get("account-statements"))
    page = text_of(buyer.get("account-statement", "2026-02"))
    assert "Statement of February 2026" in page and "Given back" in page and "6.000 OMR" in page
    assert buyer.get("account-statement-file", "2026-02").headers["Content-Type"] == "application/pdf"
    assert buyer.get("account-statement", "2026-13").status_code == 404
