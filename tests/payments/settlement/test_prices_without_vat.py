"""Prices without VAT: Stripe charges them with VAT, in the first month and in each later one."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from billing.models import Subscription
from orders.models import Document, Order, VatRate
from orders.use_cases.checkout.quote_checkout import quote_checkout
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from tests.factories import acting
from tests.payments.buyer import CREDIT_MINOR, PRICE_MINOR, TOTAL_MINOR, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_card_pays_the_quote_and_the_invoice_says_the_same(stripe: Stripe, settings: Settings) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    settings.PRICES_INCLUDE_VAT = False
    buyer = new_buyer(voucher_minor=0)
    quote = quote_checkout(request=buyer.request, by=acting(buyer.customer))
    total = TOTAL_MINOR * 105 // 100
    assert (quote.total_minor, quote.next_month_minor) == (total, total)
    assert quote.credit_applied_minor <= CREDIT_MINOR

    order = Order.objects.get(id=buyer.check_out().order_id)
    assert (order.total_minor, order.payment.amount_minor) == (total, quote.amount_due_minor)
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
