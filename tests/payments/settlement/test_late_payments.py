"""Payments that arrive after the order has released its credit."""

from uuid import UUID

import pytest

from billing.models import Organization
from billing.use_cases.ledger.post_entry import adjust_credit
from orders.models import Break, Order, Refund
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.settle_payment import settle_unpaid
from tests.factories import PlanFactory, acting, actor, give_credit
from tests.payments.buyer import (
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    Buyer,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds, refunded_at_stripe
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def release_then_pay(buyer: Buyer, stripe: Stripe) -> UUID:
    """Check out, release the credit while the session is still open at Stripe, then pay the session."""
    order_id = buyer.check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    stripe.pay(session_id_of(order_id))
    return order_id


def test_a_late_payment_completes_the_order_if_the_credit_is_still_there(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = release_then_pay(buyer, stripe)
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert open_break_kinds() == []
    assert_books_agree(stripe)


def take_credit(buyer: Buyer) -> None:
    adjust_credit(customer_id=buyer.customer.pk, amount_minor=-100, why="a correction", by=actor())


def subscribe_to_another_plan(buyer: Buyer) -> None:
    small = PlanFactory.create(price_minor=5)
    request = buyer.wanting(plan=small, promo_code=None, key="small").request
    place_order(request=type(request)(tenant_id=request.tenant_id, plan=small.slug), by=acting(buyer.customer))
    give_credit(buyer.customer, 5_000)


def delete_the_organization(buyer: Buyer) -> None:
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))


@pytest.mark.parametrize("change", [take_credit, subscribe_to_another_plan, delete_the_organization])
def test_a_late_payment_is_refunded_if_its_order_cannot_be_completed(stripe: Stripe, change: object) -> None:
    buyer = new_buyer()
    order_id = release_then_pay(buyer, stripe)
    assert callable(change)
    change(buyer)
    before = buyer.credit
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert buyer.credit == before
    assert refunded_at_stripe(stripe) == CHARGED_MINOR
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert open_break_kinds() == [Break.Kind.PAID_AFTER_RELEASE]
    assert_books_agree(stripe)


def test_a_payment_for_an_organization_that_staff_suspended_is_refunded(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    Organization.objects.update(status="suspended", suspended_by_staff=True)
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    assert order_status(order_id) == Order.Status.CANCELLED
    assert Refund.objects.get().amount_minor == CHARGED_MINOR
    assert Organization.objects.get().status == "suspended"
    assert_books_agree(stripe)
