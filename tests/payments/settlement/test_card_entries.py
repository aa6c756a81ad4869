"""Payments, refunds and disputes are entries that nobody changes, and verify_ledger compares them with their rows."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from billing.models import CreditClass, LedgerEntry, Subscription
from billing.use_cases.ledger.post_entry import grant_credit, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import CardEntry
from orders.use_cases.books.record_dispute_entries import record_dispute_entries
from orders.use_cases.payments.request_refund import refund_order
from tests.factories import actor
from tests.payments.buyer import BALANCE_AFTER_MINOR, CHARGED_MINOR, buy, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.rules import corrupt, triggers_off

pytestmark = pytest.mark.django_db(transaction=True)


def entries() -> list[tuple[str, int, int, str]]:
    found = CardEntry.objects.order_by("created_at", "id")
    return list(found.values_list("kind", "amount_minor", "total_minor", "stripe_object_id"))


def test_each_movement_of_card_money_is_an_entry_and_a_backfill_writes_the_same(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    session = session_id_of(order_id)
    for amount in (1_000, 2_000):
        refund_order(order_id=order_id, card_minor=amount, why="a part", by=actor())
        run_until_idle(stripe)
    left = CHARGED_MINOR - 3_000
    dispute = stripe.do(f"payments/{session}/dispute")["id"]
    run_until_idle(stripe)
    assert entries() == [
        ("payment", CHARGED_MINOR, CHARGED_MINOR, session),
        ("refund", -1_000, -1_000, session),
        ("refund", -2_000, -3_000, session),
        ("dispute", -left, -left, dispute),
    ]
    stripe.do(f"disputes/{dispute}/close", status="won")
    run_until_idle(stripe)
    assert entries()[4:] == [("dispute_won", left, left, dispute)]
    assert_books_agree(stripe)

    with triggers_off(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM orders_cardentry")
    assert verify_ledger().row == f"payment of order {order_id}"
    migration = import_module("orders.migrations.0021_backfill_card_entries")
    migration.backfill(None, SimpleNamespace(connection=connection))
    assert sorted(entries()) == [
        ("dispute", -left, -left, dispute),
        ("dispute_won", left, left, dispute),
        ("payment", CHARGED_MINOR, CHARGED_MINOR, session),
        ("refund", -3_000, -3_000, session),
    ]
    assert verify_ledger().sound


@pytest.mark.parametrize("spent_minor", [0, 1_000])
def test_a_lost_dispute_takes_back_what_is_left_of_the_credit_that_it_paid_for(
    stripe: Stripe, spent_minor: int
) -> None:
    buyer, order_id = buy(stripe)
    granted_minor = CHARGED_MINOR // 2
    subscription = Subscription.objects.get(order_id=order_id)
    grant_credit(
        customer_id=buyer.customer.pk,
        amount_minor=granted_minor,
        reason=f"proration:{subscription.id}",
        credit_class=CreditClass.SOLD,
        by=actor(),
    )
    if spent_minor:
        spend_credit(
            customer_id=buyer.customer.pk,
            amount_minor=BALANCE_AFTER_MINOR + spent_minor,
            order_id=subscription.id,
            by=actor(),
        )
    left_minor = granted_minor - spent_minor
    dispute = {"id": "du_1", "status": "lost", "amount": CHARGED_MINOR, "currency": "omr"}
    for _ in range(2):
        with transaction.atomic():
            record_dispute_entries(dispute, order_id=order_id, by=actor())
    taken = LedgerEntry.objects.get(reason="dispute:du_1")
    assert (taken.amount_minor, taken.order_id) == (-left_minor, order_id)
    assert [(kind, amount) for kind, amount, *_ in entries()[1:]] == [
        ("dispute", -CHARGED_MINOR),
        ("owed", CHARGED_MINOR - left_minor),
    ]
    assert verify_ledger().sound


def test_an_inquiry_moves_no_money(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    before = entries()
    dispute = {"id": "du_1", "status": "warning_needs_response", "amount": CHARGED_MINOR, "currency": "omr"}
    with transaction.atomic():
        record_dispute_entries(dispute, order_id=order_id, by=actor())
    assert entries() == before


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE orders_cardentry SET amount_minor = amount_minor + 10", "card entry"),
        ("UPDATE orders_payment SET refunded_minor = 10", "payment of order"),
        ("UPDATE orders_cardentry SET stripe_object_id = 'cs_other'", "payment of order"),
    ],
)
def test_verify_ledger_names_card_money_that_does_not_add_up(stripe: Stripe, statement: str, wrong: str) -> None:
    buy(stripe)
    corrupt(statement)
    assert verify_ledger().row.startswith(wrong)
