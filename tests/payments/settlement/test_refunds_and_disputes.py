"""Refunds by staff and in Stripe's dashboard, and disputes."""

import json

import pytest
from django.utils import timezone

from billing.models import LedgerEntry
from orders.errors import OrderNotRefundable
from orders.models import Break, CardEntry, Order, Payment, Refund, StripeEvent
from orders.stripe import gateway
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.personal.erase_customer import erase_customer
from orders.use_cases.personal.finish_erasure import finish_erasure
from tests.factories import acting, actor
from tests.payments.buyer import (
    APPLIED_MINOR,
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    buy,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, refunded_at_stripe
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events, newest_event
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_full_refund_returns_the_credit_and_a_partial_refund_only_card_money(stripe: Stripe) -> None:
    buyer, order_id = buy(stripe)
    refund_order(order_id=order_id, card_minor=1_000, why="a part", by=actor())
    with pytest.raises(OrderNotRefundable):
        refund_order(order_id=order_id, card_minor=1_000, why="one at a time", by=actor())
    run_until_idle(stripe)
    assert (order_status(order_id), refunded_at_stripe(stripe)) == (Order.Status.COMPLETED, 1_000)
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)
    with pytest.raises(OrderNotRefundable):
        refund_order(order_id=order_id, card_minor=CHARGED_MINOR, why="more than is left", by=actor())

    refund_order(order_id=order_id, card_minor=None, why="the rest", by=actor())
    run_until_idle(stripe)

    assert (order_status(order_id), refunded_at_stripe(stripe)) == (Order.Status.REFUNDED, CHARGED_MINOR)
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    reversal = LedgerEntry.objects.get(order_id=order_id, kind=LedgerEntry.Kind.REVERSAL)
    assert reversal.amount_minor == APPLIED_MINOR
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)


@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR // 2], ids=["part", "half"])
def test_a_refund_whose_event_arrives_before_its_answer_counts_once(stripe: Stripe, amount: int) -> None:
    buyer, order_id = buy(stripe)
    refund = refund_order(order_id=order_id, card_minor=amount, why="a part", by=actor())
    assert refund is not None
    intent = Payment.objects.get().payment_intent_id
    gateway.refund_payment(refund_id=refund.id, payment_intent_id=intent, amount_minor=amount)
    deliver_events(stripe, "charge.refunded")
    settle_event(event_id=newest_event(stripe, "charge.refunded")["id"])

    send_refund(refund_id=refund.id, by=actor())

    assert Payment.objects.get().refunded_minor == refunded_at_stripe(stripe) == amount
    assert order_status(order_id) == Order.Status.COMPLETED
    run_until_idle(stripe)
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)


@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR], ids=["part", "full"])
def test_a_refund_in_stripes_dashboard_is_recorded(stripe: Stripe, amount: int) -> None:
    buyer, order_id = buy(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=amount)
    run_until_idle(stripe)

    is_full = amount == CHARGED_MINOR
    assert order_status(order_id) == (Order.Status.REFUNDED if is_full else Order.Status.COMPLETED)
    assert buyer.credit == (BALANCE_BEFORE_MINOR if is_full else BALANCE_AFTER_MINOR, 0)
    assert Refund.objects.count() == 0
    assert_books_agree(stripe)


@pytest.mark.parametrize("status", ["lost", "won"])
def test_a_lost_dispute_is_noted_on_its_break(stripe: Stripe, status: str) -> None:
    _, order_id = buy(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    run_until_idle(stripe)
    dispute = Break.objects.get(kind=Break.Kind.DISPUTE)
    Break.objects.filter(id=dispute.id).update(closed_at=timezone.now())

    stripe.do(f"disputes/{dispute.object_id}/close", status=status)
    run_until_idle(stripe)

    open_breaks = list(Break.objects.filter(closed_at=None).values_list("object_id", "order_id", "details__status"))
    assert open_breaks == ([(dispute.object_id, order_id, "lost")] if status == "lost" else [])


def test_a_dispute_opens_a_break(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    run_until_idle(stripe)

    found = Break.objects.get(kind=Break.Kind.DISPUTE)
    assert (found.order_id, found.details["amount"]) == (order_id, CHARGED_MINOR)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert_books_agree(stripe)


def test_a_late_dispute_of_an_erased_customer_is_booked_and_names_nobody(stripe: Stripe) -> None:
    """The bank may take a payment back months after the customer deleted the account."""
    buyer, order_id = buy(stripe)
    buyer.customer.refresh_from_db()
    address = buyer.customer.email
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    run_until_idle(stripe)
    erase_customer(customer_id=buyer.customer.pk, lose_credit=True, why="asked", by=actor())
    finish_erasure(customer_id=buyer.customer.pk)
    run_until_idle(stripe)
    # Stripe keeps the payment, and neither the address nor the card.
    assert stripe.get(f"customers/{buyer.customer.stripe_customer_id}")["deleted"]

    stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    run_until_idle(stripe)
    dispute = Break.objects.get(kind=Break.Kind.DISPUTE)
    assert (dispute.order_id, dispute.details["amount"], dispute.closed_at) == (order_id, CHARGED_MINOR, None)
    stripe.do(f"disputes/{dispute.object_id}/close", status="lost")
    run_until_idle(stripe)

    owed = CardEntry.objects.get(kind=CardEntry.Kind.OWED)
    assert (owed.order_id, owed.amount_minor) == (order_id, CHARGED_MINOR)
    assert Break.objects.get(object_id=dispute.object_id, closed_at=None).details["status"] == "lost"
    buyer.customer.refresh_from_db()
    assert (buyer.customer.email, buyer.credit) == ("", (0, 0))
    late = StripeEvent.objects.filter(type__startswith="charge.dispute.")
    assert late.count() >= 2
    assert [each.id for each in late if address in json.dumps(each.payload)] == []
    assert_books_agree(stripe)
