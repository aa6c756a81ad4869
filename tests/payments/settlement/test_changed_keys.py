"""Keys that change while the service runs: the next call uses the new keys, and no key is logged or stored."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing.errors import DomainError
from billing.use_cases.processor_settings import change_processor_keys
from orders.errors import PaymentProcessorError, PaymentProcessorNotConfigured
from orders.models import Order
from tests.factories import actor
from tests.payments.buyer import new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import SECRET_KEY, WEBHOOK_SECRET, Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes, snapshot

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_KEY = "sk_test_PaymentsSecondKeyOfTheTests02"
OTHER_SECRET = "whsec_PaymentsSecondSecretOfTheTests02"
BAD_KEY = "sk_test_PaymentsUnknownKeyOfTheTests03"
KEYS = (SECRET_KEY, OTHER_KEY, BAD_KEY, WEBHOOK_SECRET, OTHER_SECRET)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that a deployment with LOG_LEVEL=DEBUG logs, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def assert_no_key_in(text: str) -> None:
    for key in KEYS:
        assert key not in text


def last4_of_newest_request(stripe: Stripe) -> str:
    last4: str = stripe.requests(method="POST")[-1]["secret_key_last4"]
    return last4


def test_the_next_checkout_uses_the_new_keys(stripe: Stripe, log: io.StringIO) -> None:
    first = new_buyer().check_out()
    assert last4_of_newest_request(stripe) == SECRET_KEY[-4:]
    stripe.do("keys", secret_key=OTHER_KEY)

    change_processor_keys(by=actor(), stripe_secret_key=OTHER_KEY, stripe_webhook_secret=OTHER_SECRET)

    second = new_buyer().check_out()
    assert last4_of_newest_request(stripe) == OTHER_KEY[-4:]
    for placed in (first, second):
        stripe.pay(session_id_of(placed.order_id))
    event = newest_event(stripe, "checkout.session.completed")
    with nothing_changes():
        assert post_event(event, secret=WEBHOOK_SECRET).status_code == 400
    for each in stripe.events():
        assert post_event(each, secret=OTHER_SECRET).status_code == 200
    run_until_idle(stripe)
    assert {order_status(placed.order_id) for placed in (first, second)} == {Order.Status.COMPLETED}
    assert_books_agree(stripe)
    assert log.getvalue()
    assert_no_key_in(log.getvalue())
    assert_no_key_in(str(snapshot()))


def test_clearing_the_key_turns_card_payments_off_at_once(stripe: Stripe) -> None:
    new_buyer().check_out()
    change_processor_keys(by=actor(), stripe_secret_key="")
    buyer = new_buyer()
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buyer.check_out()


def test_a_key_that_stripe_refuses_appears_in_no_message(stripe: Stripe, log: io.StringIO) -> None:
    change_processor_keys(by=actor(), stripe_secret_key=BAD_KEY)
    buyer = new_buyer()
    with pytest.raises(PaymentProcessorError) as caught:
        buyer.check_out()

    errors: list[BaseException | None] = [caught.value, caught.value.__cause__]
    assert_no_key_in(" ".join(f"{each} {each!r}" for each in errors))
    change_processor_keys(by=actor(), stripe_secret_key=SECRET_KEY)
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert buyer.check_out().session_url
    logging.getLogger("orders").exception("as the server logs it", exc_info=caught.value)
    assert "PaymentProcessorError" in log.getvalue()
    assert_no_key_in(log.getvalue())
    assert_no_key_in(str(snapshot()))
    assert_no_key_in("".join(str(each.message()) for each in mail.outbox))


@pytest.mark.parametrize("failure", [{"effect": "answer", "status": 401}, {"effect": "drop"}, {"effect": "garbage"}])
def test_errors_of_stripe_are_reported_without_its_message(
    stripe: Stripe, log: io.StringIO, failure: dict[str, Any]
) -> None:
    message = f"Invalid API Key provided: {SECRET_KEY}"
    if failure["effect"] == "answer":
        failure = {**failure, "body": {"error": {"type": "invalid_request_error", "message": message}}}
    stripe.fault(path="/v1/checkout/sessions", count=None, **failure)
    with pytest.raises(DomainError) as caught:
        new_buyer().check_out()
    assert_no_key_in(f"{caught.value} {caught.value.__cause__} {log.getvalue()} {snapshot()}")


def test_a_refused_webhook_reveals_no_secret(stripe: Stripe, log: io.StringIO) -> None:
    answer = post_event({"id": "evt_1"}, secret=OTHER_SECRET, client=Client(raise_request_exception=False))
    assert_no_key_in(f"{answer.content!r} {log.getvalue()}")
