"""The essentials of card payments, through the API and the Stripe sandbox: a payment, a refund, and renewals.

Every failure, race and kill of these is tested in tests/payments, which takes minutes. These tests take seconds.
"""

from typing import Any

import pytest

from billing.models import Hold, Invoice, LedgerEntry
from orders.models import Order, OutboxEvent, Payment, Refund
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from promos.models import Redemption
from tests.consistency import times_redeemed
from tests.contract.api_client import by_token
from tests.factories import actor
from tests.payments.buyer import (
    APPLIED_MINOR,
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    VOUCHER_MINOR,
    Buyer,
    buy,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.conftest import sandbox, stripe
from tests.payments.consistency_at_rest import assert_books_agree, refunded_at_stripe
from tests.payments.renewals import subscribed_tenant
from tests.payments.renewals.subscribed_tenant import LEFT_MINOR, subscribe_tenant, tenant_with_open_session
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events, newest_event, post_event
from tests.payments.worker import run_until_idle

__all__ = ["sandbox", "stripe"]

pytestmark = pytest.mark.django_db(transaction=True)


def check_out(buyer: Buyer) -> Any:
    """Check out by the API, as the customer, and return the body of the answer."""
    assert buyer.promo_code is not None
    basket = {
        "tenant_id": str(buyer.organization.id),
        "plan_id": buyer.plan.slug,
        "addons": [buyer.addon.slug],
        "promo_code": buyer.promo_code.code,
    }
    customer = by_token("customer", buyer.customer.user_id)
    answer = customer.post("billing/checkout", basket, Idempotency_Key=buyer.key)
    assert answer.status == 200, answer.content
    return answer.body


def test_a_voucher_and_a_card_pay_for_an_order_once(stripe: Stripe) -> None:
    buyer = new_buyer()
    placed = check_out(buyer)
    order = Order.objects.get(id=placed["order_id"])
    assert placed["session_url"].startswith(stripe.url)
    assert placed["credit_balance_minor"] == BALANCE_BEFORE_MINOR
    assert (order.status, buyer.credit) == (Order.Status.PENDING, (BALANCE_BEFORE_MINOR, APPLIED_MINOR))

    stripe.pay(session_id_of(order.id))
    assert order_status(order.id) == Order.Status.PENDING
    deliver_events(stripe)
    run_until_idle(stripe)

    assert order_status(order.id) == Order.Status.COMPLETED
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    captured = Hold.objects.filter(order_id=order.id, status=Hold.Status.CAPTURED)
    assert sum(hold.amount_minor for hold in captured) == APPLIED_MINOR
    assert not Hold.objects.filter(order_id=order.id, status=Hold.Status.ACTIVE).exists()
    assert list(LedgerEntry.objects.filter(order_id=order.id).order_by("id").values_list("kind", "amount_minor")) == [
        ("grant", VOUCHER_MINOR),
        ("spend", -APPLIED_MINOR),
    ]
    assert Redemption.objects.get(order_id=order.id).status == Redemption.Status.CONFIRMED
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 1
    assert OutboxEvent.objects.filter(type="order.placed", order_id=order.id).count() == 1
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert post_event(newest_event(stripe, "checkout.session.completed")).json()["duplicate"]
    assert check_out(buyer)["order_id"] == str(order.id)
    run_until_idle(stripe)
    assert OutboxEvent.objects.filter(type="order.placed").count() == 1
    assert_books_agree(stripe)


def test_a_partial_refund_returns_card_money_and_keeps_the_order(stripe: Stripe) -> None:
    buyer, order_id = buy(stripe)
    entries = LedgerEntry.objects.count()

    refund_order(order_id=order_id, card_minor=1_000, why="a part", by=actor())
    run_until_idle(stripe)

    assert Refund.objects.get().status == Refund.Status.DONE
    assert refunded_at_stripe(stripe) == Payment.objects.get().refunded_minor == 1_000
    assert (order_status(order_id), buyer.credit) == (Order.Status.COMPLETED, (BALANCE_AFTER_MINOR, 0))
    assert LedgerEntry.objects.count() == entries
    assert_books_agree(stripe)


def test_a_full_refund_returns_card_money_and_credit(stripe: Stripe) -> None:
    buyer, order_id = buy(stripe)

    refund_order(order_id=order_id, card_minor=None, why="all of it", by=actor())
    run_until_idle(stripe)

    assert refunded_at_stripe(stripe) == CHARGED_MINOR
    reversal = LedgerEntry.objects.get(order_id=order_id, kind=LedgerEntry.Kind.REVERSAL)
    assert reversal.amount_minor == APPLIED_MINOR
    assert (order_status(order_id), buyer.credit) == (Order.Status.REFUNDED, (BALANCE_BEFORE_MINOR, 0))
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)


def test_credit_pays_for_a_renewal(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, credit_minor=subscribed_tenant.PRICE_MINOR)

    assert tenant.renew() == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    tenant.run_until_idle()

    assert (tenant.status, tenant.credit, stripe.charges()) == (("active", "active"), (0, 0), [])
    assert OutboxEvent.objects.filter(type="subscription.renewed").count() == 1
    assert list(Invoice.objects.values_list("status", flat=True)) == [Invoice.Status.PAID] * 2
    assert_books_agree(stripe)


def test_credit_and_a_card_pay_for_a_renewal(stripe: Stripe) -> None:
    tenant = tenant_with_open_session(stripe)
    assert tenant.status == ("past_due", "active")
    assert tenant.credit == (subscribed_tenant.CREDIT_MINOR, subscribed_tenant.APPLIED_MINOR)

    stripe.pay(tenant.open_session)
    tenant.run_until_idle()

    assert (tenant.status, tenant.credit) == (("active", "active"), (LEFT_MINOR, 0))
    assert [charge["amount"] for charge in stripe.charges()] == [subscribed_tenant.CHARGED_MINOR]
    assert OutboxEvent.objects.filter(type="subscription.renewed").count() == 1
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]
    assert_books_agree(stripe)
