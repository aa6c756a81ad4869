"""Bank debits, which Stripe settles days after the customer pays."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.errors import PaymentInProgress
from orders.models import Order, Payment
from orders.use_cases.payments import open_payment, sweep_payments
from orders.use_cases.payments.sweep_payments import DEBIT_CHECK_INTERVAL
from tests.payments.buyer import (
    APPLIED_MINOR,
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_bank_debit_that_succeeds_days_later_completes_the_order(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    deliver_events(stripe)
    run_waiting_jobs()
    assert (order_status(order_id), Payment.objects.get().status) == (Order.Status.PENDING, Payment.Status.PROCESSING)
    assert buyer.credit == (BALANCE_BEFORE_MINOR, APPLIED_MINOR)
    with pytest.raises(PaymentInProgress):
        buyer.wanting(key="another").check_out()
    sweep(now=timezone.now() + timedelta(days=3))
    assert buyer.credit == (BALANCE_BEFORE_MINOR, APPLIED_MINOR)

    stripe.do(f"sessions/{session_id_of(order_id)}/settle_async")
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)


def test_processing_bank_debits_do_not_keep_the_sweeper_from_ended_sessions(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    debit, ended = (new_buyer().check_out().order_id for _ in range(2))
    stripe.do(f"sessions/{session_id_of(debit)}/pay_async")
    stripe.do(f"sessions/{session_id_of(ended)}/expire")
    deliver_events(stripe, "checkout.session.completed")
    run_waiting_jobs()
    monkeypatch.setattr(sweep_payments, "MAX_ITEMS", 1)

    swept = sweep(now=Payment.objects.get(order_id=ended).expires_at)

    # The sweeper has read the bank debit as well, and left it as it was.
    assert swept.settled == [str(ended)]
    assert (order_status(debit), order_status(ended)) == (Order.Status.PENDING, Order.Status.EXPIRED)


@pytest.mark.parametrize("in_order", [True, False], ids=["in-order", "failure-first"])
def test_a_bank_debit_that_fails_releases_the_credit(stripe: Stripe, in_order: bool) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    if in_order:
        run_until_idle(stripe)
    stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    if not in_order:
        deliver_events(stripe, "checkout.session.async_payment_failed")
        run_waiting_jobs()
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.FAILED
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)
    assert buyer.wanting(key="again", promo_code=None).check_out().session_url


@pytest.mark.parametrize("is_reported", [True, False], ids=["processing", "not reported"])
@pytest.mark.parametrize("action", ["settle_async", "fail_async"])
def test_the_sweeper_settles_a_bank_debit_whose_events_were_lost(
    stripe: Stripe, action: str, is_reported: bool
) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    if is_reported:
        deliver_events(stripe)
        run_waiting_jobs()
    end = Payment.objects.get().expires_at
    sweep(now=end)
    assert Payment.objects.get().status == Payment.Status.PROCESSING
    stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    sweep(now=end + timedelta(minutes=1))  # the sweeper read it a minute ago
    assert order_status(order_id) == Order.Status.PENDING
    sweep(now=end + DEBIT_CHECK_INTERVAL)

    failed = action == "fail_async"
    assert order_status(order_id) == (Order.Status.FAILED if failed else Order.Status.COMPLETED)
    assert buyer.credit == (BALANCE_BEFORE_MINOR if failed else BALANCE_AFTER_MINOR, 0)
    run_waiting_jobs()
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled" if failed else "active"]
    assert_books_agree(stripe)
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert open_break_kinds() == []


def test_a_bank_debit_stays_pending_while_stripe_does_not_answer(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    stripe.fault(path="/v1/payment_intents/*", effect="drop", count=None)

    swept = sweep(now=Payment.objects.get().expires_at)

    assert swept.left == [str(order_id)]
    assert (order_status(order_id), Payment.objects.get().status) == (Order.Status.PENDING, Payment.Status.PROCESSING)


def test_a_bank_debit_that_fails_after_its_order_failed_ends_the_subscription(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        during.setattr(open_payment, "record_session", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            new_buyer().check_out()
    [session] = stripe.sessions()
    stripe.do(f"sessions/{session['id']}/pay_async")
    sweep()
    assert Order.objects.get().status == Order.Status.FAILED

    stripe.do(f"sessions/{session['id']}/fail_async")
    run_until_idle(stripe)

    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)
