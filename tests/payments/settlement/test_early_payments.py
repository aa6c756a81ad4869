"""A session that is paid before the checkout has answered: the answer says so, and a retry gets the same one."""

from typing import Any

import pytest
from django.db import OperationalError

from billing.models import IdempotencyKey
from orders.models import Order, Payment
from orders.stripe import gateway
from orders.stripe.payloads import Session
from orders.stripe.session_request import SessionRequest
from orders.use_cases.payments import open_payment
from promos.models import PromoCode
from promos.use_cases.change_code import retire_code
from tests.contract.api_client import Answer, by_token
from tests.factories import actor
from tests.payments.buyer import BALANCE_AFTER_MINOR, Buyer, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

THANKS = "https://shop.example/thanks?session="


@pytest.fixture
def paid_at_once(stripe: Stripe, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Stripe:
    """Stripe, where each session is paid, and its webhook settled, before the service has the session."""
    settings.CHECKOUT_SUCCESS_URL = f"{THANKS}{{CHECKOUT_SESSION_ID}}"
    create = gateway.create_session

    def create_and_pay(request: SessionRequest) -> Session:
        session = create(request)
        if stripe.get(f"checkout/sessions/{session.id}")["status"] == "open":
            stripe.pay(session.id)
            run_until_idle(stripe)
        return session

    monkeypatch.setattr(gateway, "create_session", create_and_pay)
    return stripe


def check_out_over_http(buyer: Buyer, **headers: str) -> Answer:
    body = {
        "tenant_id": str(buyer.organization.id),
        "plan_id": buyer.plan.slug,
        "addons": [buyer.addon.slug],
        "promo_code": buyer.promo_code.code if buyer.promo_code else "",
    }
    return by_token("customer", buyer.customer.user_id).post("billing/checkout", body, **headers)


@pytest.mark.parametrize("key", ["", "first"])
def test_the_answer_names_the_session_and_the_balance_after_the_payment(paid_at_once: Stripe, key: str) -> None:
    buyer = new_buyer()
    answer = check_out_over_http(buyer, **({"Idempotency_Key": key} if key else {}))
    assert answer.status == 200
    order = Order.objects.get()
    assert (order.status, order.payment.status) == ("completed", "paid")
    assert "paid_by_credit" not in answer.body
    if key:
        assert answer.body["session_url"] == f"{THANKS}{order.payment.session_id}"
    assert answer.body["session_url"].startswith(THANKS if key else paid_at_once.url)
    assert answer.body["credit_balance_minor"] == BALANCE_AFTER_MINOR
    if key:
        with nothing_changes():
            again = check_out_over_http(buyer, Idempotency_Key=key)
        assert (again.status, again.content) == (200, answer.content)
    assert_books_agree(paid_at_once)


def test_a_retry_after_a_crash_answers_from_what_the_webhook_recorded(
    paid_at_once: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = new_buyer()
    with monkeypatch.context() as during:
        during.setattr(open_payment, "answer_with_session", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            buyer.check_out()
    assert IdempotencyKey.objects.get().balance_after_minor == BALANCE_AFTER_MINOR
    requests_before = len(paid_at_once.requests())
    first, second = buyer.check_out(), buyer.check_out()
    assert first == second
    assert (first.paid_by_card, first.balance_minor) == (True, BALANCE_AFTER_MINOR)
    assert first.session_url == f"{THANKS}{Payment.objects.get().session_id}"
    assert len(paid_at_once.requests()) == requests_before


@pytest.mark.usefixtures("paid_at_once")
def test_a_checkout_whose_connection_is_lost_finds_its_paid_order(monkeypatch: pytest.MonkeyPatch) -> None:
    buyer = new_buyer().wanting(key="")

    def lose_connection(**_: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(open_payment, "answer_with_session", lose_connection)
    placed, payment = buyer.check_out(), Payment.objects.get()
    assert (payment.status, payment.session_url) == ("paid", "")
    assert (placed.order_id, placed.paid_by_card) == (payment.order_id, True)
    assert placed.session_url == f"{THANKS}{payment.session_id}"


def test_a_retired_code_resumes_the_payment_that_redeemed_it(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    assert isinstance(buyer.promo_code, PromoCode)
    retire_code(code=buyer.promo_code.code, by=actor())
    for other in (buyer, buyer.wanting(key="second tab"), buyer.wanting(key="")):
        again = other.check_out()
        assert (again.order_id, again.session_url) == (first.order_id, first.session_url)
    assert Payment.objects.get().session_id == session_id_of(first.order_id)
    assert len(stripe.sessions()) == 1
    assert_books_agree(stripe)
