"""Reconciliation of charges, refunds and later months."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from billing.models import Invoice, Subscription
from orders.models import Break, Order, Payment, Refund
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.reconciliation.close_break import close_break
from tests.factories import actor
from tests.payments.buyer import CHARGED_MINOR, TOTAL_MINOR, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import (
    LATER,
    assert_found,
    assert_left_open,
    assert_repaired,
    break_keys,
    open_break_keys,
    reconcile,
)
from tests.payments.reconciliation.test_sessions import create_session
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def buy(stripe: Stripe) -> UUID:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return order_id


# --- Refunds ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR], ids=["part", "full"])
def test_a_dashboard_refund_whose_event_was_lost_is_recorded(stripe: Stripe, amount: int) -> None:
    order_id = buy(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=amount)
    expected = (Kind.REFUND_DIFFERS.value, Payment.objects.get().payment_intent_id, order_id)

    assert_found(expected)
    assert_repaired(stripe, expected)
    assert Payment.objects.get().refunded_minor == amount
    is_full = amount == CHARGED_MINOR
    assert order_status(order_id) == (Order.Status.REFUNDED if is_full else Order.Status.COMPLETED)


def test_a_refund_that_failed_later_is_left_to_staff(stripe: Stripe) -> None:
    order_id = buy(stripe)
    refund_order(order_id=order_id, card_minor=1_000, why="a part", by=actor())
    run_until_idle(stripe)
    stripe.do(f"refunds/{Refund.objects.get().stripe_refund_id}/fail")
    expected = (Kind.REFUND_DIFFERS.value, Payment.objects.get().payment_intent_id, order_id)

    assert_found(expected)
    assert_left_open(expected)
    assert Payment.objects.get().refunded_minor == 1_000
    close_break(break_id=Break.objects.get().id, why="paid in cash", by=actor())
    assert reconcile(repair=True).findings == []


def test_a_refund_that_was_never_sent_to_stripe_is_sent(stripe: Stripe) -> None:
    order_id = buy(stripe)
    refund = refund_order(order_id=order_id, card_minor=None, why="all", by=actor())
    assert refund is not None
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    expected = (Kind.REFUND_NOT_SENT.value, str(refund.id), order_id)

    assert_found(expected)
    assert_repaired(stripe, expected)
    assert order_status(order_id) == Order.Status.REFUNDED


def test_a_refund_that_stripe_refuses_stays_a_break(stripe: Stripe) -> None:
    order_id = buy(stripe)
    refund = refund_order(order_id=order_id, card_minor=None, why="all", by=actor())
    assert refund is not None
    stripe.fault(path="/v1/refunds", method="POST", effect="answer", status=402, count=None)

    run = reconcile(repair=True)

    assert [each.kind for each in run.open] == [Kind.REFUND_NOT_SENT]
    assert {kind for kind, _, _ in open_break_keys()} == {Kind.REFUND_NOT_SENT, Kind.REFUND_FAILED}
    # After the refusal only the break of the failed refund stays open.
    assert reconcile(repair=True).findings == []


def test_a_recent_refund_of_an_older_payment_is_recorded(stripe: Stripe) -> None:
    order_id = buy(stripe)
    stripe.do("clock", seconds=10 * 86_400, everything=True)
    stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=1_000)
    now = timezone.now() + timedelta(days=10) + LATER
    intent = Payment.objects.get().payment_intent_id

    run = reconcile(repair=True, since=timedelta(days=1), now=now)

    assert [(each.kind, each.object_id, each.repaired) for each in run.findings] == [
        (Kind.REFUND_DIFFERS, intent, True)
    ]
    assert_books_agree(stripe)
    assert reconcile(since=timedelta(days=1), now=now).findings == []


# --- Charges ------------------------------------------------------------------------------------------------
def test_a_payment_is_linked_to_its_charge_after_a_lost_job(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    event = newest_event(stripe, "checkout.session.completed")
    post_event(event)
    settle_event(event_id=event["id"])  # The job that links it is lost.
    [charge] = stripe.charges()
    expected = (Kind.PAYMENT_NOT_LINKED.value, charge["payment_intent"], order_id)
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []

    assert_found(expected)
    assert reconcile(repair=True).open == []
    assert Payment.objects.get().payment_intent_id == charge["payment_intent"]
    assert open_break_keys() == []
    assert reconcile().findings == []


def charge_without_order(stripe: Stripe, *, customer: str | None) -> Object:
    """Charge something at Stripe that names no order."""
    more = {"customer": customer} if customer else {}
    session = create_session(stripe, **more)
    stripe.pay(session["id"])
    return stripe.charges()[-1]


def test_a_charge_of_a_customer_without_an_order_is_left_to_staff(stripe: Stripe) -> None:
    new_buyer().check_out()
    charge = charge_without_order(stripe, customer=stripe.sessions()[0]["customer"])
    expected = (Kind.UNKNOWN_CHARGE.value, charge["id"], None)

    assert_found(expected)
    assert_left_open(expected)
    stripe.do(f"payments/{charge['id']}/refund")
    assert reconcile().findings == []
    assert open_break_keys() == []


def test_a_break_that_staff_closed_is_not_opened_again(stripe: Stripe) -> None:
    new_buyer().check_out()
    charge_without_order(stripe, customer=stripe.sessions()[0]["customer"])
    reconcile()
    close_break(break_id=Break.objects.get().id, why="consulting", by=actor())
    with nothing_changes():
        assert reconcile(repair=True).findings == []


def test_charges_of_other_customers_of_the_account_are_ignored(stripe: Stripe) -> None:
    new_buyer().check_out()
    charge_without_order(stripe, customer=None)
    with nothing_changes():
        assert reconcile(repair=True).findings == []


def test_a_charge_with_another_amount_than_its_payment_is_left_to_staff(stripe: Stripe) -> None:
    """After a restored backup or a manual change the service's own books are wrong."""
    order_id = buy(stripe)
    Payment.objects.update(amount_minor=CHARGED_MINOR + 10)
    [charge] = stripe.charges()
    expected = [
        (Kind.AMOUNT_DIFFERS.value, session_id_of(order_id), order_id),
        (Kind.AMOUNT_DIFFERS.value, charge["id"], order_id),
    ]
    assert_found(*expected)
    assert_left_open(*expected)


# --- Later months -------------------------------------------------------------------------------------------
def test_a_month_whose_event_was_lost_is_recorded(stripe: Stripe) -> None:
    order_id = buy(stripe)
    stripe.do("clock", months=1)
    [invoice] = [each for each in stripe.all("invoices") if each["billing_reason"] == "subscription_cycle"]
    before = Subscription.objects.get().current_period_end
    now = timezone.now() + timedelta(days=32)
    expected = (Kind.INVOICE_MISSING.value, invoice["id"], order_id)
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []

    assert_found(expected, now=now)
    assert_repaired(stripe, expected, now=now)
    month = Invoice.objects.get(stripe_invoice_id=invoice["id"])
    assert (month.amount_minor, month.status) == (TOTAL_MINOR, Invoice.Status.PAID)
    assert Subscription.objects.get().current_period_end > before


def test_a_refund_of_a_later_month_opens_a_break_once(stripe: Stripe) -> None:
    order_id = buy(stripe)
    stripe.do("clock", months=1)
    run_until_idle(stripe)
    [invoice] = [each for each in stripe.all("invoices") if each["billing_reason"] == "subscription_cycle"]
    stripe.do(f"payments/{invoice['id']}/refund", amount=500)
    charge = next(each for each in stripe.charges() if each["amount_refunded"] == 500)
    now = timezone.now() + timedelta(days=32)
    expected = (Kind.RENEWAL_REFUNDED.value, charge["id"], order_id)

    assert_found(expected, now=now)
    # What left the card account is posted, and the break stays for staff.
    with only_changes("orders_cardentry"):
        assert break_keys(reconcile(repair=True, now=now).open) == [expected]
    assert_left_open(expected, now=now)
    close_break(break_id=Break.objects.get().id, why="a courtesy", by=actor())
    assert reconcile(now=now).findings == []
    stripe.do(f"payments/{invoice['id']}/refund", amount=500)
    assert [each.details["refunded"] for each in reconcile(now=now).findings] == [1_000]
