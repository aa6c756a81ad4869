"""Reconciliation of orders with the ledger, after a manual change of the database or a defect."""

from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing.models import Hold
from billing.use_cases.ledger.hold_credit import hold_credit
from orders.models import Break, Order
from orders.use_cases.payments.settle_payment import settle_unpaid
from orders.use_cases.reconciliation.close_break import close_break
from tests.factories import actor
from tests.payments.buyer import APPLIED_MINOR, Buyer, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import (
    assert_found,
    assert_left_open,
    assert_repaired,
    break_keys,
    open_break_keys,
    reconcile,
)
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.rules import TRIGGERS_OFF
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def set_status(order_id: UUID, status: str) -> None:
    """Set the status with triggers disabled, since the database refuses these transitions."""
    completed_at = timezone.now() if status in (Order.Status.COMPLETED, Order.Status.REFUNDED) else None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        cursor.execute(
            "UPDATE orders_order SET status = %s, completed_at = %s WHERE id = %s", [status, completed_at, order_id]
        )


def buy_and_expire(stripe: Stripe) -> tuple[Buyer, UUID]:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/expire")
    run_until_idle(stripe)
    return buyer, order_id


def test_a_completed_order_whose_credit_was_not_spent_is_left_to_staff(stripe: Stripe) -> None:
    _, order_id = buy_and_expire(stripe)
    set_status(order_id, Order.Status.COMPLETED)
    expected = (Kind.CREDIT_NOT_SPENT.value, str(order_id), order_id)

    assert_found(expected)
    assert_left_open(expected)
    close_break(break_id=Break.objects.get().id, why="adjusted", by=actor())
    with nothing_changes():
        assert reconcile(repair=True).findings == []
    set_status(order_id, Order.Status.EXPIRED)
    assert (reconcile().findings, open_break_keys()) == ([], [])


def test_credit_spent_for_a_cancelled_order_is_left_to_staff(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    set_status(order_id, Order.Status.CANCELLED)
    expected = (Kind.CREDIT_NOT_RETURNED.value, str(order_id), order_id)
    run = reconcile(parts=("ledger",))
    assert break_keys(run.findings) == [expected]
    assert break_keys(reconcile(parts=("ledger",), repair=True).open) == [expected]
    assert open_break_keys() == [expected]


@pytest.mark.parametrize("status", [Order.Status.EXPIRED, Order.Status.FAILED])
def test_credit_held_for_an_ended_order_is_released(stripe: Stripe, status: str) -> None:
    buyer, order_id = buy_and_expire(stripe)
    set_status(order_id, status)
    hold_credit(customer_id=buyer.customer.pk, amount_minor=APPLIED_MINOR, order_id=order_id)
    expected = (Kind.HOLD_LEFT.value, str(order_id), order_id)

    assert_found(expected)
    assert_repaired(stripe, expected)
    assert buyer.account.held_minor == 0


def test_credit_held_for_a_completed_order_is_left_to_staff(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    set_status(order_id, Order.Status.COMPLETED)
    expected = [
        (Kind.CREDIT_NOT_SPENT.value, str(order_id), order_id),
        (Kind.HOLD_LEFT.value, str(order_id), order_id),
    ]
    run = reconcile(parts=("ledger",), repair=True)
    assert (break_keys(run.open), open_break_keys()) == (expected, expected)
    assert Hold.objects.filter(order_id=order_id, status=Hold.Status.ACTIVE).exists()


def test_open_settled_and_expired_payments_have_no_break(stripe: Stripe) -> None:
    new_buyer().check_out()
    settled = new_buyer()
    stripe.pay(session_id_of(settled.check_out().order_id))
    buy_and_expire(stripe)
    lost = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(lost)}/expire")
    settle_unpaid(order_id=lost, failed=False)
    run_until_idle(stripe)
    assert reconcile(parts=("ledger",)).findings == []
    assert_books_agree(stripe)
