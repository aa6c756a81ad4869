"""Payments and refunds that arrive after their customer was merged into another one."""

from uuid import UUID

import pytest

from billing.actor import SUPERADMIN
from billing.models import Account, Customer, Invoice, LedgerEntry, Subscription
from billing.use_cases.ledger.post_entry import adjust_credit
from orders.models import Break, Order, Refund
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.payments.settle_payment import settle_unpaid
from tests.factories import CustomerFactory, actor
from tests.payments.buyer import (
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    Buyer,
    buy,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds, refunded_at_stripe
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def eve() -> Customer:
    return CustomerFactory.create(user_id="eve")


def merge(buyer: Buyer, eve: Customer) -> None:
    merge_customers(
        merged_user_id=buyer.customer.user_id,
        into_user_id=eve.user_id,
        reason="one person",
        by=actor(SUPERADMIN, user_id="root"),
    )


def credits_of(*customers: Customer) -> list[tuple[int, int]]:
    """The balance and the held part of each."""
    accounts = {each.customer_id: each for each in Account.objects.all()}
    return [(accounts[each.pk].balance_minor, accounts[each.pk].held_minor) for each in customers]


def merge_then_pay(stripe: Stripe, eve: Customer, *, taken_minor: int = 0) -> tuple[Buyer, UUID]:
    """Release an order's credit, merge its customer into Eve, take credit from her, and pay the session."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    merge(buyer, eve)
    if taken_minor:
        adjust_credit(customer_id=eve.pk, amount_minor=-taken_minor, why="a correction", by=actor())
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return buyer, order_id


def test_a_late_payment_completes_the_order_with_the_survivors_credit(stripe: Stripe, eve: Customer) -> None:
    buyer, order_id = merge_then_pay(stripe, eve)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert credits_of(buyer.customer, eve) == [(0, 0), (BALANCE_AFTER_MINOR, 0)]
    for model in (Order, Subscription, Invoice):
        assert set(model._default_manager.values_list("customer", flat=True)) == {eve.pk}
    assert open_break_kinds() == []
    assert_books_agree(stripe)


def test_a_late_payment_is_refunded_if_the_survivor_has_spent_the_credit(stripe: Stripe, eve: Customer) -> None:
    buyer, order_id = merge_then_pay(stripe, eve, taken_minor=100)
    assert order_status(order_id) == Order.Status.EXPIRED
    assert credits_of(buyer.customer, eve) == [(0, 0), (BALANCE_BEFORE_MINOR - 100, 0)]
    assert refunded_at_stripe(stripe) == CHARGED_MINOR
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert open_break_kinds() == [Break.Kind.PAID_AFTER_RELEASE]
    assert_books_agree(stripe)


@pytest.mark.parametrize("at_stripe", [True, False], ids=["dashboard", "staff"])
@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR], ids=["part", "full"])
def test_a_late_refund_returns_the_credit_to_the_survivor(
    stripe: Stripe, eve: Customer, amount: int, *, at_stripe: bool
) -> None:
    buyer, order_id = buy(stripe)
    merge(buyer, eve)
    if at_stripe:
        stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=amount)
    else:
        refund_order(order_id=order_id, card_minor=amount, why="not wanted", by=actor())
    run_until_idle(stripe)

    is_full = amount == CHARGED_MINOR
    assert order_status(order_id) == (Order.Status.REFUNDED if is_full else Order.Status.COMPLETED)
    assert refunded_at_stripe(stripe) == amount
    left = BALANCE_BEFORE_MINOR if is_full else BALANCE_AFTER_MINOR
    assert credits_of(buyer.customer, eve) == [(0, 0), (left, 0)]
    assert LedgerEntry.objects.filter(kind=LedgerEntry.Kind.REVERSAL).count() == is_full
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled" if is_full else "active"]
    assert_books_agree(stripe)


def test_a_refund_that_was_under_way_is_recorded_for_the_survivor(stripe: Stripe, eve: Customer) -> None:
    buyer, order_id = buy(stripe)
    refund_order(order_id=order_id, card_minor=None, why="not wanted", by=actor())
    merge(buyer, eve)
    run_until_idle(stripe)
    assert Refund.objects.get().status == Refund.Status.DONE
    assert order_status(order_id) == Order.Status.REFUNDED
    assert credits_of(buyer.customer, eve) == [(0, 0), (BALANCE_BEFORE_MINOR, 0)]
    assert_books_agree(stripe)
