"""Checkouts of a customer who has an open session: in a second tab, or with another basket."""

import pytest

from orders.errors import PaymentInProgress
from orders.models import Order
from tests.factories import PlanFactory
from tests.payments.buyer import (
    BALANCE_BEFORE_MINOR,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_second_tab_resumes_the_open_session_without_a_call_to_stripe(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    requests_before = len(stripe.requests())
    for other in (buyer, buyer.wanting(key="second tab"), buyer.wanting(key="")):
        again = other.check_out()
        assert (again.order_id, again.session_url) == (first.order_id, first.session_url)
        assert again.balance_minor == BALANCE_BEFORE_MINOR
    assert len(stripe.requests()) == requests_before
    assert Order.objects.count() == 1
    assert_books_agree(stripe)


def test_another_basket_closes_the_open_session_before_it_opens_its_own(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    second = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), key="second").check_out()

    assert (order_status(first.order_id), order_status(second.order_id)) == (
        Order.Status.EXPIRED,
        Order.Status.PENDING,
    )
    assert [session["status"] for session in stripe.sessions()] == ["expired", "open"]
    calls = [each["path"].rpartition("/")[2] for each in stripe.requests(method="POST", path="*sessions*")]
    assert calls == ["sessions", "expire", "sessions"]
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_another_basket_is_refused_while_the_paid_session_is_settled(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    stripe.pay(session_id_of(first.order_id))
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), promo_code=None, key="second")
    with pytest.raises(PaymentInProgress):
        other.check_out()
    assert order_status(first.order_id) == Order.Status.COMPLETED
    run_until_idle(stripe)
    assert_books_agree(stripe)
