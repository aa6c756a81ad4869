"""A card payment ends paid, expired, or refused."""

import pytest

from billing.models import Subscription
from orders.models import Order, Payment
from tests.consistency import times_redeemed
from tests.payments.buyer import (
    APPLIED_MINOR,
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle, sweep

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_payment_completes_the_order_and_spends_the_held_credit(stripe: Stripe) -> None:
    buyer = new_buyer()
    placed = buyer.check_out()
    assert placed.session_url.startswith(stripe.url)
    assert placed.balance_minor == BALANCE_BEFORE_MINOR
    assert buyer.credit == (BALANCE_BEFORE_MINOR, APPLIED_MINOR)
    run_until_idle(stripe)
    assert_books_agree(stripe)

    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)

    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert open_break_kinds() == []
    invoice = Subscription.objects.get().invoices.get()
    assert invoice.stripe_invoice_id == stripe.sessions()[0]["invoice"]
    assert invoice.pdf_url.startswith("http")
    assert_books_agree(stripe)


def test_an_expired_session_releases_the_credit_and_keeps_the_voucher_redeemed(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/expire")
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 1
    assert_books_agree(stripe)


def test_the_sweeper_expires_an_abandoned_session_whose_event_was_lost(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/leave")
    sweep(now=Payment.objects.get().expires_at)
    assert (
        order_status(order_id) == Order.Status.PENDING
    )  # the service's own clock does not prove that the session ended
    stripe.do("clock", seconds=7_300, everything=True)

    sweep(now=Payment.objects.get().expires_at)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_a_customer_can_pay_after_a_refused_card(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/refuse")
    run_until_idle(stripe)
    assert order_status(order_id) == Order.Status.PENDING
    assert_books_agree(stripe)

    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)
