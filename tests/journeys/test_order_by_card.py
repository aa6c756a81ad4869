"""A card pays what credit does not cover: the webhook comes before, after, or without the browser's return."""

from typing import Any
from urllib.request import urlopen

import pytest
from django.test import Client

from orders.models import Payment
from orders.use_cases.payments.sweep_payments import sweep_payments
from tests.journeys.front_end import Answer, FrontEnd
from tests.journeys.ordering import Basket, assert_complete, issue_voucher, shop_in_order_of_calls
from tests.journeys.shapes import ORDER, conforms
from tests.journeys.worker import run_worker
from tests.payments.conftest import sandbox, stripe
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_failures import CREATE_SESSION, LASTING, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["sandbox", "stripe"]

VOUCHER_MINOR = 5_000


def check_out(visitor: FrontEnd, root: FrontEnd) -> tuple[Basket, Answer]:
    """Shop with a voucher that covers a part, and check out. Returns the basket and the answer."""
    issue_voucher(root, "FIVE", 5, max_redemptions=1)
    bought = shop_in_order_of_calls(visitor, voucher="five")
    answer = visitor.post("billing/checkout", bought.order, Idempotency_Key="first")
    assert answer.status == 200, answer
    assert set(answer.body) >= {"session_url", "order_id", "credit_balance"}
    assert "paid_by_credit" not in answer.body
    # The voucher counts as redeemed, and its credit is on the balance; this order holds it.
    assert (answer.body["credit_balance"], answer.body["credit_balance_minor"]) == (5, VOUCHER_MINOR)
    balance = visitor.read("billing/balance")
    assert (balance["credit_minor"], balance["held_minor"], balance["available_minor"]) == (
        VOUCHER_MINOR,
        VOUCHER_MINOR,
        0,
    )
    [voucher] = root.read("billing/vouchers/list")
    assert voucher["times_redeemed"] == 1
    assert visitor.get(f"provisioning/tenant/{bought.tenant}").status == 404
    assert visitor.read(f"tenant/orgs/{bought.tenant}")["status"] == "pending"
    again = visitor.post("billing/checkout", bought.order, Idempotency_Key="first")
    assert (again.status, again.body) == (200, answer.body)
    return bought, answer


def session_id(stripe: Stripe) -> str:
    return str(stripe.sessions()[-1]["id"])


def return_in_the_browser(stripe: Stripe) -> None:
    """Open the address to which Stripe sends the browser after the payment."""
    url = stripe.sessions()[-1]["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id(stripe))
    assert Client().get(url).status_code == 200


def assert_paid(visitor: FrontEnd, root: FrontEnd, bought: Basket, checkout: Answer, stripe: Stripe) -> None:
    assert_complete(visitor, bought, order_id=checkout.body["order_id"])
    assert visitor.post("provisioning/start", bought.start(checkout.body["order_id"])).status == 201
    balance = visitor.read("billing/balance")
    assert (balance["credit_minor"], balance["held_minor"]) == (0, 0)
    assert [entry["reason"] for entry in balance["entries"]] == ["order-payment", "promo:FIVE"]
    [order] = root.read("billing/admin/orders")
    assert conforms(order, ORDER)
    assert (order["status"], order["amount_minor"]) == ("completed", bought.total_minor)
    assert order["credit_applied_minor"] == VOUCHER_MINOR
    assert order["amount_due_minor"] == bought.total_minor - VOUCHER_MINOR
    assert [charge["amount"] for charge in stripe.charges()] == [order["amount_due_minor"]]
    placed = root.read("billing/admin/events?type=order.placed")
    assert [event["data"]["id"] for event in placed] == [checkout.body["order_id"]]
    assert_books_agree(stripe)


def test_the_webhook_comes_before_the_browser_returns(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, checkout = check_out(visitor, root)
    with urlopen(checkout.body["session_url"]) as page:
        assert page.status == 200
    stripe.pay(session_id(stripe))
    assert deliver_events(stripe)
    run_worker()
    return_in_the_browser(stripe)
    assert_paid(visitor, root, bought, checkout, stripe)


def test_the_webhook_comes_after_the_browser_returned(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, checkout = check_out(visitor, root)
    stripe.pay(session_id(stripe))
    return_in_the_browser(stripe)
    # The page polls: nothing is there yet, and starting is refused as long as the order is not complete.
    assert visitor.get(f"provisioning/tenant/{bought.tenant}").status == 404
    early = visitor.post("provisioning/start", bought.start(checkout.body["order_id"]))
    assert 400 <= early.status < 500, early
    assert deliver_events(stripe)
    run_worker()
    assert_paid(visitor, root, bought, checkout, stripe)


@pytest.mark.parametrize("returns", [True, False], ids=["the browser returns", "the browser is closed"])
def test_no_webhook_ever_comes(stripe: Stripe, visitor: FrontEnd, root: FrontEnd, returns: bool) -> None:
    bought, checkout = check_out(visitor, root)
    stripe.pay(session_id(stripe))
    if returns:
        return_in_the_browser(stripe)
    run_worker()
    assert visitor.read(f"tenant/orgs/{bought.tenant}")["status"] == "pending"
    sweep_payments(now=Payment.objects.get().expires_at)
    run_worker()
    assert_paid(visitor, root, bought, checkout, stripe)


def test_a_late_webhook_after_the_sweeper_changes_nothing(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, checkout = check_out(visitor, root)
    stripe.pay(session_id(stripe))
    sweep_payments(now=Payment.objects.get().expires_at)
    run_worker()
    assert deliver_events(stripe)
    run_worker()
    assert_paid(visitor, root, bought, checkout, stripe)


def test_the_webhook_comes_and_the_browser_is_closed(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, checkout = check_out(visitor, root)
    stripe.pay(session_id(stripe))
    assert deliver_events(stripe)
    run_worker()
    assert_paid(visitor, root, bought, checkout, stripe)


def test_a_customer_who_leaves_keeps_the_credit(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, checkout = check_out(visitor, root)
    stripe.do(f"sessions/{session_id(stripe)}/expire")
    assert deliver_events(stripe)
    run_worker()
    [order] = root.read("billing/admin/orders")
    assert order["status"] == "expired"
    balance = visitor.read("billing/balance")
    assert (balance["credit_minor"], balance["held_minor"]) == (VOUCHER_MINOR, 0)
    assert visitor.read(f"tenant/orgs/{bought.tenant}")["status"] == "pending"
    assert visitor.post("provisioning/start", bought.start(checkout.body["order_id"])).status >= 400
    # The next attempt uses the credit without the voucher.
    again = visitor.post("billing/checkout", {**bought.order, "promo_code": ""}, Idempotency_Key="second")
    assert (again.status, again.body["credit_balance_minor"]) == (200, VOUCHER_MINOR)
    assert Payment.objects.count() == 2


def test_a_stripe_that_fails_consumes_nothing(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    issue_voucher(root, "FIVE", 5, max_redemptions=1)
    bought = shop_in_order_of_calls(visitor, voucher="five")
    stripe.fault(**fault_for(CREATE_SESSION, "402", LASTING))
    before: list[Any] = root.read("billing/vouchers/list")
    answer = visitor.post("billing/checkout", bought.order, Idempotency_Key="first")
    assert (answer.status, answer.code) == (502, "payment_processor_error")
    assert root.read("billing/vouchers/list") == before
    assert visitor.read("billing/balance")["entries"] == []
    assert [order["status"] for order in root.read("billing/admin/orders")] == ["failed"]
    stripe.heal()
    assert visitor.post("billing/checkout", bought.order, Idempotency_Key="first").status == 200


def test_the_portal_opens_for_a_customer_of_stripe(stripe: Stripe, visitor: FrontEnd, root: FrontEnd) -> None:
    bought, _ = check_out(visitor, root)
    stripe.pay(session_id(stripe))
    deliver_events(stripe)
    run_worker()
    answer = visitor.post(f"billing/portal/{bought.tenant}")
    assert (answer.status, list(answer.body)) == (200, ["portal_url"])
    assert answer.body["portal_url"].startswith("http")
