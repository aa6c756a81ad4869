"""Every call to Stripe with every failure: the books agree at rest, and a second attempt succeeds.

After each case the test switches the fault off and runs the service until it is idle. The books must agree then, and
again after the customer, or staff, has repeated the action.
"""

import pytest

from billing.errors import DomainError
from billing.models import IdempotencyKey
from orders.errors import PaymentInProgress, PaymentProcessorError
from orders.models import Break, Order, Payment, Refund
from orders.use_cases.checkout.place_order import PlacedOrder
from orders.use_cases.payments.request_refund import refund_order
from promos.errors import PromoAlreadyRedeemed
from promos.models import Redemption
from tests.consistency import times_redeemed
from tests.factories import PlanFactory, actor
from tests.payments import stripe_failures
from tests.payments.buyer import (
    CHARGED_MINOR,
    CREDIT_MINOR,
    TOTAL_MINOR,
    VOUCHER_MINOR,
    Buyer,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds, refunded_at_stripe
from tests.payments.stripe_failures import EXTENTS, FAILURES, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep, unfinished_jobs

pytestmark = pytest.mark.django_db(transaction=True)

CHECKOUT = {
    "customer": stripe_failures.CREATE_CUSTOMER,
    "coupon": stripe_failures.CREATE_COUPON,
    "session": stripe_failures.CREATE_SESSION,
}
REFUND = {
    "payment": stripe_failures.LIST_INVOICE_PAYMENTS,
    "refunds": stripe_failures.LIST_REFUNDS,
    "refund": stripe_failures.CREATE_REFUND,
    "charges": stripe_failures.LIST_CHARGES,
}
EVERY = [(failure, extent) for extent in EXTENTS for failure in FAILURES]
CASES: dict[str, list[tuple[str, ...]]] = {
    "checkout": [(step, *each) for step in CHECKOUT for each in EVERY],
    "replace": [*EVERY],
    "read session": [*EVERY],
    "cancel": [*EVERY],
    "refund": [
        (step, *each) for step in REFUND for each in EVERY if step == "refund" or each[1] == stripe_failures.ONCE
    ],
}
PART_MINOR = 1_000
KEY_LIFETIME_SECONDS = 86_401


def ids(cases: list[tuple[str, ...]]) -> list[str]:
    return [" ".join(case) for case in cases]


def try_check_out(buyer: Buyer) -> PlacedOrder | DomainError:
    try:
        return buyer.check_out()
    except (PaymentProcessorError, PaymentInProgress) as refusal:
        return refusal


def buy_and_settle(buyer: Buyer, stripe: Stripe) -> PlacedOrder:
    """Check out, pay, and run the service until it is idle."""
    placed = buyer.check_out()
    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    return placed


def assert_nothing_was_consumed(buyer: Buyer) -> None:
    """Assert that the refusal left nothing behind, before any sweeper runs."""
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 0
    assert not Redemption.objects.exclude(status=Redemption.Status.RELEASED).exists()
    assert buyer.credit == (CREDIT_MINOR, 0)
    assert not IdempotencyKey.objects.exists()
    assert not Order.objects.exclude(status=Order.Status.FAILED).exists()


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["checkout"], ids=ids(CASES["checkout"]))
def test_a_checkout_succeeds_or_leaves_nothing_behind(stripe: Stripe, step: str, failure: str, extent: str) -> None:
    buyer = new_buyer()
    stripe.fault(**fault_for(CHECKOUT[step], failure, extent))

    first = try_check_out(buyer)

    if not isinstance(first, PlacedOrder):
        assert isinstance(first, PaymentProcessorError)
        assert_nothing_was_consumed(buyer)
    stripe.heal()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    again = buyer.check_out()
    if isinstance(first, PlacedOrder):
        assert (again.order_id, again.session_url) == (first.order_id, first.session_url)
    assert again.balance_minor == CREDIT_MINOR + VOUCHER_MINOR
    stripe.pay(session_id_of(again.order_id))
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert order_status(again.order_id) == Order.Status.COMPLETED
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert buyer.account.balance_minor == CREDIT_MINOR + VOUCHER_MINOR - (TOTAL_MINOR - CHARGED_MINOR)
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 1


@pytest.mark.parametrize(("failure", "extent"), CASES["replace"], ids=ids(CASES["replace"]))
def test_another_basket_replaces_the_open_session(stripe: Stripe, failure: str, extent: str) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), key="second")
    stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, failure, extent))

    second = try_check_out(other)

    assert isinstance(second, PlacedOrder | PaymentInProgress)
    stripe.heal()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    try:
        second = other.check_out()
    except PromoAlreadyRedeemed:
        # The first basket is closed: its voucher's credit is already on the balance.
        second = other.wanting(promo_code=None, key="third").check_out()
    assert order_status(first.order_id) == Order.Status.EXPIRED
    stripe.pay(session_id_of(second.order_id))
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert order_status(second.order_id) == Order.Status.COMPLETED
    assert len(stripe.charges()) == 1


@pytest.mark.parametrize(("failure", "extent"), CASES["read session"], ids=ids(CASES["read session"]))
def test_the_sweeper_settles_a_paid_session_whose_event_was_lost(stripe: Stripe, failure: str, extent: str) -> None:
    placed = new_buyer().check_out()
    stripe.pay(session_id_of(placed.order_id))
    stripe.fault(**fault_for(stripe_failures.READ_SESSION, failure, extent))

    sweep(now=Payment.objects.get().expires_at)
    stripe.heal()
    sweep(now=Payment.objects.get().expires_at)

    # A session that Stripe does not know expires at its end, with a break. The late event then completes the order.
    is_unknown = failure == "404"
    assert order_status(placed.order_id) == (Order.Status.EXPIRED if is_unknown else Order.Status.COMPLETED)
    assert open_break_kinds() == ([Break.Kind.SESSION_STATE_DIFFERS] if is_unknown else [])
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED


@pytest.mark.parametrize(("failure", "extent"), CASES["cancel"], ids=ids(CASES["cancel"]))
def test_a_replaced_subscription_ends_at_stripe(stripe: Stripe, failure: str, extent: str) -> None:
    buyer = new_buyer()
    first = buy_and_settle(buyer, stripe)
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), promo_code=None, key="second")
    second = other.check_out()
    stripe.pay(session_id_of(second.order_id))
    deliver_events(stripe)
    stripe.fault(**fault_for(stripe_failures.CANCEL_SUBSCRIPTION, failure, extent))

    run_waiting_jobs()
    run_waiting_jobs()

    stripe.heal()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    ended = Payment.objects.get(order_id=first.order_id).stripe_subscription_id
    assert stripe.get(f"subscriptions/{ended}")["status"] == "canceled"


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["refund"], ids=ids(CASES["refund"]))
def test_a_partial_and_then_a_full_refund_are_made_once(stripe: Stripe, step: str, failure: str, extent: str) -> None:
    buyer = new_buyer()
    placed = buyer.check_out()
    stripe.pay(session_id_of(placed.order_id))
    deliver_events(stripe, "checkout.session.completed")
    if step != "payment":
        run_until_idle(stripe)
    stripe.fault(**fault_for(REFUND[step], failure, extent))
    if step == "payment":
        run_waiting_jobs()

    request_refund(placed, PART_MINOR)
    run_waiting_jobs()
    stripe.heal()
    run_until_refunds_are_sent(stripe)
    assert_books_agree(stripe)
    if Refund.objects.get().status == Refund.Status.FAILED:
        assert Break.objects.filter(kind=Break.Kind.REFUND_FAILED, closed_at=None).count() == 1
        request_refund(placed, PART_MINOR)
        run_until_refunds_are_sent(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert refunded_at_stripe(stripe) == Payment.objects.get().refunded_minor == PART_MINOR
    request_refund(placed, None)
    run_until_refunds_are_sent(stripe)

    assert_books_agree(stripe)
    assert order_status(placed.order_id) == Order.Status.REFUNDED
    assert refunded_at_stripe(stripe) == CHARGED_MINOR
    assert buyer.account.balance_minor == CREDIT_MINOR + VOUCHER_MINOR


def request_refund(placed: PlacedOrder, card_minor: int | None) -> None:
    refund_order(order_id=placed.order_id, card_minor=card_minor, why="asked for", by=actor())


def run_until_refunds_are_sent(stripe: Stripe) -> None:
    """Run the service until it is idle, if need be until Stripe no longer repeats a stored 500."""
    deliver_events(stripe)
    run_waiting_jobs()
    if unfinished_jobs():
        stripe.do("clock", seconds=KEY_LIFETIME_SECONDS, everything=True)
    run_until_idle(stripe)


def test_the_number_of_cases_is_known() -> None:
    assert len(FAILURES) == 19
    assert {name: len(cases) for name, cases in CASES.items()} == {
        "checkout": 114,
        "replace": 38,
        "read session": 38,
        "cancel": 38,
        "refund": 95,
    }
