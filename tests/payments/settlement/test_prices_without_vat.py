"""Prices without VAT: Stripe charges them with VAT, in the first month and in each later one."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from billing.local_time import local_day
from billing.models import Subscription
from orders.models import Document, Order, Payment, VatRate
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.checkout.quote_checkout import quote_checkout
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from orders.use_cases.documents.vat_of_sale import vat_of_order
from orders.use_cases.payments.request_refund import refund_order
from tests.factories import AppFactory, BundleFactory, acting, actor
from tests.orders.documents.test_issue_documents import sum_of_vat, vat_of_journal
from tests.payments.buyer import CREDIT_MINOR, PRICE_MINOR, TOTAL_MINOR, Buyer, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def net_prices(settings: Settings) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    settings.PRICES_INCLUDE_VAT = False


def issue() -> list[Document]:
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    return list(Document.objects.order_by("supplied_at", "id"))


def begin_rate(basis_points: int = 1_000) -> None:
    """Lets a rate begin today, after what was sold before."""
    VatRate.objects.create(starts_on=local_day(timezone.now()), basis_points=basis_points)


def pay(stripe: Stripe, order: Order) -> None:
    stripe.pay(session_id_of(order.id))
    run_until_idle(stripe)


def check_out(buyer: Buyer) -> Order:
    return Order.objects.get(id=buyer.check_out().order_id)


def test_the_card_pays_the_quote_and_the_invoice_says_the_same(stripe: Stripe) -> None:
    buyer = new_buyer(voucher_minor=0)
    quote = quote_checkout(request=buyer.request, by=acting(buyer.customer))
    total = TOTAL_MINOR * 105 // 100
    assert (quote.total_minor, quote.next_month_minor) == (total, total)
    assert quote.credit_applied_minor <= CREDIT_MINOR

    placed = buyer.check_out()
    order = Order.objects.get(id=placed.order_id)
    assert (order.total_minor, order.payment.amount_minor) == (total, quote.amount_due_minor)
    assert placed.vat == quote.vat
    stripe.pay(session_id_of(order.id))
    run_until_idle(stripe)
    [charge], [at_stripe] = stripe.charges(), stripe.subscriptions()
    assert charge["amount"] == quote.amount_due_minor
    prices = [item["price"]["unit_amount"] for item in at_stripe["items"]["data"]]
    assert sum(prices) == Subscription.objects.get().amount_minor == total
    assert PRICE_MINOR * 105 // 100 in prices
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    invoice = Document.objects.get()
    assert (invoice.total_minor, invoice.card_minor) == (total, quote.amount_due_minor)
    assert quote.vat is not None and quote.vat.vat_minor == invoice.vat_minor
    assert invoice.vat_minor == included_vat(invoice.credit_minor, 500) + included_vat(invoice.card_minor, 500)
    assert_books_agree(stripe)


def test_a_bundle_takes_its_discount_off_before_vat(stripe: Stripe) -> None:
    """15 percent off 19.000 are 16.150 (13.600 and 2.550), with VAT 14.280 and 2.680."""
    AppFactory.create(slug="ghost")
    BundleFactory.create(slug="both", name="Both", apps=["ghost"], discount_percent=15)
    buyer = new_buyer(voucher_minor=0)
    request = replace(buyer.request, apps=("ghost",), bundle="both")
    quote = quote_checkout(request=request, by=acting(buyer.customer))
    assert [(line.price_minor, line.net_minor) for line in quote.lines] == [(14_280, 13_600), (2_680, 2_550)]
    order = Order.objects.get(id=place_order(request=request, by=acting(buyer.customer)).order_id)
    assert order.total_minor == quote.total_minor == quote.next_month_minor == 16_960
    pay(stripe, order)
    [invoice] = issue()
    assert [(line["price_minor"], line["discount_minor"]) for line in invoice.lines] == [
        (14_280, 2_520),
        (2_680, 470),
    ]
    assert (invoice.total_minor, quote.vat and quote.vat.vat_minor) == (16_960, invoice.vat_minor)
    assert vat_of_order(order.id) == quote.vat
    refund_order(order_id=order.id, card_minor=None, why="a complaint", by=actor())
    run_until_idle(stripe)
    issue()
    assert sum_of_vat() == vat_of_journal() == 0
    assert_books_agree(stripe)


def test_an_open_payment_keeps_its_price_and_has_the_vat_of_the_day_on_which_it_is_paid(stripe: Stripe) -> None:
    buyer = new_buyer(voucher_minor=0)
    order = check_out(buyer)
    total = TOTAL_MINOR * 105 // 100
    begin_rate()
    pay(stripe, order)
    order.refresh_from_db()
    assert (order.status, order.total_minor) == (Order.Status.COMPLETED, total)
    [invoice] = issue()
    assert (invoice.total_minor, invoice.basis_points) == (total, 1_000)
    assert sum(line["price_minor"] for line in invoice.lines) == total
    assert invoice.vat_minor == included_vat(invoice.credit_minor, 1_000) + included_vat(invoice.card_minor, 1_000)
    vat = vat_of_order(order.id)
    assert vat is not None and (vat.vat_minor, vat.basis_points) == (invoice.vat_minor, 1_000)
    assert sum_of_vat() == vat_of_journal()
    assert_books_agree(stripe)


def test_the_same_basket_under_a_new_rate_replaces_the_open_payment(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = check_out(buyer)
    again = buyer.wanting(key="again")
    assert check_out(again) == first
    begin_rate()
    anew = buyer.wanting(key="anew")
    quote = quote_checkout(request=anew.request, by=acting(buyer.customer))
    second = check_out(anew)
    assert second != first
    assert second.total_minor == quote.total_minor == TOTAL_MINOR * 110 // 100
    assert (second.payment.amount_minor, second.credit_applied_minor) == (
        quote.amount_due_minor,
        quote.credit_applied_minor,
    )
    first.refresh_from_db()
    assert first.status == Order.Status.EXPIRED
    assert (vat_of_order(first.id), vat_of_order(second.id)) == (None, quote.vat)
    assert [each["id"] for each in stripe.sessions() if each["status"] == "open"] == [session_id_of(second.id)]
    pay(stripe, second)
    [invoice] = issue()
    assert (invoice.order_id, invoice.total_minor) == (second.id, second.total_minor)
    assert quote.vat is not None and invoice.vat_minor == quote.vat.vat_minor
    assert Payment.objects.filter(status=Payment.Status.PAID).count() == 1
    assert_books_agree(stripe)


def test_a_retry_of_the_same_request_after_the_rate_began_has_its_first_answer(stripe: Stripe) -> None:
    buyer = new_buyer(voucher_minor=0)
    order = check_out(buyer)
    begin_rate()
    assert check_out(buyer) == order
    pay(stripe, order)
    assert [charge["amount"] for charge in stripe.charges()] == [order.amount_due_minor]
    assert_books_agree(stripe)
