"""With prices without VAT, quote, charge, invoice and journal name one total and one VAT, for any price and rate."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from billing.local_time import local_day
from billing.models import LedgerEntry, Subscription
from orders.models import Document, Order, VatRate
from orders.models.basket import CheckoutRequest
from orders.models.charge import charge_step, discount_prices, price_with_vat
from orders.use_cases.books.journal import current_postings, journal_totals
from orders.use_cases.books.month import month_of
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.checkout.quote_checkout import quote_checkout
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from orders.use_cases.payments.request_refund import refund_order
from tests.database import restore_pristine
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    OrganizationFactory,
    PlanFactory,
    acting,
    actor,
    forget_prices,
    give_credit,
)

# A smaller price is nothing after it is rounded, and such an order has no entry.
PRICE = st.integers(10, 100_000)
POINTS = st.integers(0, 10_000)


@pytest.fixture(scope="module", autouse=True)
def database(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        restore_pristine()


class Undo(Exception):
    """Ends an example without a trace."""


@dataclass(frozen=True)
class Case:
    """Prices in the smallest unit, rates in basis points: `later` begins in the second month. 0: without a bundle."""

    plan: int
    addon: int
    points: int
    later: int
    percent: int


@given(
    case=st.builds(
        Case, plan=PRICE, addon=PRICE, points=POINTS, later=POINTS, percent=st.just(0) | st.integers(1, 99)
    )
)
def test_quote_charge_invoice_and_journal_agree(case: Case) -> None:
    forget_prices()
    with override_settings(PRICES_INCLUDE_VAT=False, INITIAL_STRIPE_SECRET_KEY=""):
        try:
            with transaction.atomic():
                _compare(case)
                raise Undo
        except Undo:
            pass


def _compare(case: Case) -> None:
    now = timezone.now()
    VatRate.objects.create(starts_on=local_day(now), basis_points=case.points)
    VatRate.objects.create(starts_on=local_day(now) + timedelta(days=20), basis_points=case.later)
    organization = OrganizationFactory.create()
    by = acting(organization.customer)
    PlanFactory.create(slug="plan", price_minor=case.plan)
    AddOnFactory.create(slug="addon", price_minor=case.addon)
    give_credit(organization.customer, 1_000_000)
    request = CheckoutRequest(tenant_id=organization.id, plan="plan", addons=("addon",))
    if case.percent:
        AppFactory.create(slug="app")
        BundleFactory.create(slug="bundle", apps=["app"], discount_percent=case.percent)
        request = replace(request, apps=("app",), bundle="bundle")
    quote = quote_checkout(request=request, by=by, now=now)
    nets = discount_prices([case.plan, case.addon], percent=case.percent, currency="OMR")
    for line, net in zip(quote.lines, nets, strict=True):
        assert line.net_minor == net
        # Each price is rounded once, and is one that a card can pay.
        assert abs(line.price_minor - net * (10_000 + case.points) / 10_000) <= charge_step("OMR") / 2
        assert line.price_minor % charge_step("OMR") == 0 or not case.points
    later = [price_with_vat(net, case.later, currency="OMR") for net in nets]
    assert quote.next_month_minor == sum(later)

    order = Order.objects.get(id=place_order(request=request, by=by, now=now).order_id)
    spent = LedgerEntry.objects.get(order_id=order.id)
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    invoice = Document.objects.get()
    assert quote.total_minor == order.total_minor == -spent.amount_minor == invoice.total_minor
    assert Subscription.objects.get().amount_minor == sum(line["price_minor"] for line in invoice.lines)
    if quote.bundle:
        before = sum(price_with_vat(net, case.points, currency="OMR") for net in (case.plan, case.addon))
        assert before - quote.bundle.discount_minor == quote.total_minor
    vat_minor = quote.vat.vat_minor if quote.vat else 0
    assert vat_minor == invoice.vat_minor == included_vat(order.total_minor, case.points)
    totals = journal_totals(month_of(now), postings=current_postings())
    posted = {each.account: each.credit_minor - each.debit_minor for each in totals}
    assert (posted.get("2300", 0), posted["4000"]) == (vat_minor, order.total_minor - vat_minor)

    refund_order(order_id=order.id, card_minor=None, why="a mistake", by=actor())
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    note = Document.objects.get(kind="credit_note")
    assert (note.total_minor, note.vat_minor) == (order.total_minor, vat_minor)
    totals = journal_totals(month_of(now), postings=current_postings())
    assert all(each.credit_minor == each.debit_minor for each in totals if each.account in ("2300", "4000"))


@given(net=PRICE, points=st.integers(1, 10_000))
def test_the_vat_that_a_price_includes_is_the_vat_that_was_added(net: int, points: int) -> None:
    """In a currency whose every amount can be charged, nothing is lost between the two."""
    assert (
        included_vat(price_with_vat(net, points, currency="USD"), points)
        == price_with_vat(net, points, currency="USD") - net
    )
