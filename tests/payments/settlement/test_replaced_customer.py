"""A Stripe customer that no longer exists: deleted there, or left in the account of an earlier key."""

from typing import Any

import pytest
from django.utils import timezone

from billing.models import AuditEntry, Customer
from orders.errors import PaymentProcessorError
from orders.models import Order, Payment
from tests.consistency import times_redeemed
from tests.contract.api_client import by_token
from tests.factories import PlanFactory
from tests.payments.buyer import Buyer, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle, sweep
from tests.rules import triggers_off
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

LOSE_ANSWER: dict[str, Any] = {
    "path": "/v1/checkout/sessions",
    "method": "POST",
    "effect": "drop",
    "when": "after",
    "count": None,
}


def stripe_customer_id(buyer: Buyer) -> str:
    return Customer.objects.get(id=buyer.customer.pk).stripe_customer_id


@pytest.fixture
def buyer(stripe: Stripe) -> Buyer:
    """A customer whose first session expired. The next checkout has a voucher and another key."""
    first = new_buyer(cap=2)
    order_id = first.wanting(promo_code=None, key="earlier").check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/expire")
    run_until_idle(stripe)
    return first


@pytest.mark.parametrize("lost", ["deleted", "another account"])
def test_a_checkout_creates_a_new_stripe_customer_and_goes_on(stripe: Stripe, buyer: Buyer, lost: str) -> None:
    before = stripe_customer_id(buyer)
    if lost == "deleted":
        stripe.delete(f"customers/{before}")
    else:
        stripe.reset()

    order_id = buyer.check_out().order_id

    after = stripe_customer_id(buyer)
    assert after not in ("", before)
    assert Payment.objects.get(order_id=order_id).stripe_customer_id == after
    audit = AuditEntry.objects.get(action="customer.processor_customer_replaced")
    assert audit.changes == {"stripe_customer_id": [before, after]}
    [session] = [each for each in stripe.sessions() if each["status"] == "open"]
    assert (session["id"], session["customer"]) == (session_id_of(order_id), after)
    stripe.pay(session["id"])
    run_until_idle(stripe)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 1
    assert_books_agree(stripe)


def test_an_order_creates_a_second_stripe_customer_under_another_key(stripe: Stripe) -> None:
    """Stripe would answer the first key with the deleted customer."""
    buyer = new_buyer(voucher_minor=0)
    stripe.fault(path="/v1/checkout/sessions", method="POST", effect="answer", status=429, count=None)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    stripe.heal()
    first = stripe_customer_id(buyer)
    order = Order.objects.get()
    # As if the process had died before the answer arrived.
    with triggers_off():
        Order.objects.filter(id=order.id).update(status=Order.Status.PENDING)
        Payment.objects.update(
            status=Payment.Status.REQUESTED, needs_stripe_cleanup=False, closed_at=None, leased_until=timezone.now()
        )
    stripe.delete(f"customers/{first}")

    order_id = buyer.wanting(key="").check_out().order_id

    assert order_id == order.id
    assert stripe_customer_id(buyer) != first
    keys = [each["idempotency_key"] for each in stripe.requests(method="POST", path="/v1/customers")]
    assert len(keys) == len(set(keys)) == 2


def test_the_sweeper_finds_a_lost_session_with_the_new_customer(stripe: Stripe, buyer: Buyer) -> None:
    """Stripe made the session for the new customer and its answer was lost: the sweeper closes that session."""
    stripe.reset()
    stripe.fault(**LOSE_ANSWER, skip=1)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    stripe.heal()
    assert [each["status"] for each in stripe.sessions()] == ["open"]

    sweep()

    assert [each["status"] for each in stripe.sessions()] == ["expired"]
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 0
    assert_books_agree(stripe)
    assert buyer.check_out().session_url


def test_the_sweeper_finds_a_lost_session_with_its_original_customer(stripe: Stripe, buyer: Buyer) -> None:
    """Another order replaced the customer in between; the sweeper still makes no second session."""
    stripe.fault(**LOSE_ANSWER)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    stripe.heal()
    lost = Payment.objects.get(needs_stripe_cleanup=True)
    stripe.delete(f"customers/{lost.stripe_customer_id}")
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), key="other").check_out()

    sweep()

    at_stripe = {each["id"]: each["status"] for each in stripe.sessions()}
    assert sorted(at_stripe.values()) == ["expired", "expired", "open"]
    assert at_stripe[session_id_of(other.order_id)] == "open"
    assert_books_agree(stripe)


def test_a_customer_that_stays_unknown_is_a_refusal_without_a_trace(stripe: Stripe, buyer: Buyer) -> None:
    unknown = {"error": {"type": "invalid_request_error", "code": "resource_missing", "param": "customer"}}
    stripe.fault(path="/v1/checkout/sessions", method="POST", effect="answer", status=400, body=unknown, count=None)
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    requests = stripe.requests(method="POST", path="/v1/checkout/sessions")
    assert len(requests) == 3  # the first one belongs to the earlier checkout
    stripe.heal()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert buyer.check_out().session_url


def test_the_portal_answers_that_the_stripe_customer_is_missing(stripe: Stripe, buyer: Buyer) -> None:
    caller = by_token("customer", buyer.customer.user_id)
    path = f"billing/portal/{buyer.organization.id}"
    assert caller.post(path).status == 200
    stripe.delete(f"customers/{stripe_customer_id(buyer)}")

    with nothing_changes():
        answer = caller.post(path)

    assert (answer.status, answer.code) == (404, "processor_customer_not_found")
