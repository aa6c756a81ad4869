"""The webhook itself: what it lets in, what it answers, what that costs; what the inbox makes of odd events."""

import json
from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import LedgerEntry
from config.devtools.stripe_sandbox.signatures import Manner, payload_of, signature_of
from orders.models import Break, Order, Payment, StripeEvent
from tests.payments.buyer import APPLIED_MINOR, CREDIT_MINOR, VOUCHER_MINOR, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import WEBHOOK_SECRET, Object, Stripe
from tests.payments.webhook_delivery import WEBHOOK, newest_event, post_event
from tests.payments.worker import run_until_idle, run_waiting_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

ALL_MINOR = CREDIT_MINOR + VOUCHER_MINOR
OWN_SECONDS = 0.05
DAYS_SECONDS = 3 * 86_400

# BEGIN, the keys, the event looked for and stored, its job, COMMIT; stored inside a savepoint, for its twin.
STATEMENTS = (
    "processorsettings",
    "BEGIN",
    "orders_stripeevent",
    "SAVEPOINT",
    "orders_stripeevent",
    "RELEASE",
    "procrastinate",
    "COMMIT",
)


@pytest.fixture
def event(stripe: Stripe) -> Object:
    """That a session is paid; nobody has heard of it yet."""
    placed = new_buyer().check_out()
    stripe.pay(session_id_of(placed.order_id))
    return newest_event(stripe, "checkout.session.completed")


@pytest.mark.parametrize(
    "manner",
    [{"signature": "forged"}, {"signature": "missing"}, {"age_seconds": 301}, {"age_seconds": 86_400}],
    ids=["forged", "unsigned", "stale", "a day old"],
)
def test_what_is_not_signed_freshly_by_stripe_is_not_let_in(event: Object, manner: dict[str, Any]) -> None:
    with nothing_changes():
        answer = post_event(event, **manner)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_webhook")


@pytest.mark.parametrize("secret", ["whsec_another", "whsec_"])
def test_what_is_signed_with_another_secret_is_not_let_in(event: Object, secret: str) -> None:
    with nothing_changes():
        assert post_event(event, secret=secret).status_code == 400


def test_a_body_that_was_changed_on_its_way_is_not_let_in(event: Object) -> None:
    payload = payload_of(event, Manner())
    signature = signature_of(payload, WEBHOOK_SECRET, Manner()) or ""
    changed = payload.replace(b'"amount_total": 6660', b'"amount_total": 10')
    assert changed != payload
    with nothing_changes():
        answer = Client().post(
            WEBHOOK, changed, content_type="application/json", headers={"Stripe-Signature": signature}
        )
    assert answer.status_code == 400


def test_without_a_secret_nothing_is_let_in_and_stripe_tries_again(event: Object, settings: Any) -> None:
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = ""
    with nothing_changes():
        answer = post_event(event)
    assert (answer.status_code, answer.json()["code"]) == (503, "webhook_not_configured")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "evt_1"},
        {"object": "event", "id": 1, "type": "x", "data": {"object": {}}},
        {"object": "event", "id": "evt_1", "type": "x", "data": {"object": []}},
        {"object": "event", "id": "evt_\u0000", "type": "x", "data": {"object": {}}},
    ],
    ids=["empty", "no data", "number for an id", "list for an object", "nul"],
)
def test_a_signed_body_that_is_no_event_is_refused(stripe: Stripe, body: Object) -> None:
    with nothing_changes():
        assert post_event(body).status_code == 400


def test_the_answer_calls_nobody_and_takes_these_statements(stripe: Stripe, event: Object) -> None:
    client = Client()
    post_event({**event, "id": "evt_warm"}, client=client)
    asked = len(stripe.requests())
    with CaptureQueriesContext(connection) as captured:
        assert post_event(event, client=client).json() == {"received": True, "duplicate": False}
    statements = [query["sql"] for query in captured.captured_queries]
    assert len(statements) == len(STATEMENTS), statements
    for statement, about in zip(statements, STATEMENTS, strict=True):
        assert about in statement
    assert len(stripe.requests()) == asked
    with CaptureQueriesContext(connection) as again:
        assert post_event(event, client=client).json() == {"received": True, "duplicate": True}
    assert len(again.captured_queries) == 4


def test_the_answer_takes_little_of_our_own_time(event: Object, record_property: Any) -> None:
    client = Client()
    times = []
    for number in range(20):
        started = perf_counter()
        assert post_event({**event, "id": f"evt_{number}"}, client=client).status_code == 200
        times.append(perf_counter() - started)
    record_property("webhook_milliseconds", round(1_000 * min(times), 1))
    assert min(times) < OWN_SECONDS, times


def test_events_that_come_days_late_are_settled(stripe: Stripe) -> None:
    buyer = new_buyer()
    placed = buyer.check_out()
    stripe.pay(session_id_of(placed.order_id))
    stripe.do("clock", seconds=DAYS_SECONDS, everything=True)
    run_until_idle(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert_books_agree(stripe)


def strangely(event: Object, **wrong: Any) -> Object:
    """The event with something of its object changed, under another id."""
    strange: Object = json.loads(json.dumps(event))
    strange["data"]["object"].update(wrong)
    return {**strange, "id": f"{event['id']}strange"}


STRANGE: dict[str, tuple[Object, Break.Kind]] = {
    "other currency": ({"currency": "usd"}, Break.Kind.OTHER_CURRENCY),
    "no currency": ({"currency": None}, Break.Kind.OTHER_CURRENCY),
    "less": ({"amount_total": 6_650}, Break.Kind.AMOUNT_DIFFERS),
    "more": ({"amount_total": 6_670}, Break.Kind.AMOUNT_DIFFERS),
    "nothing": ({"amount_total": 0}, Break.Kind.AMOUNT_DIFFERS),
    "no amount": ({"amount_total": None}, Break.Kind.AMOUNT_DIFFERS),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_money_that_is_not_what_was_asked_for_is_a_break_and_never_money(
    stripe: Stripe, event: Object, strange: str
) -> None:
    wrong, kind = STRANGE[strange]
    entries = LedgerEntry.objects.count()
    for _ in range(2):
        assert post_event(strangely(event, **wrong)).status_code == 200
        run_waiting_jobs()

    [found] = Break.objects.all()
    order = Order.objects.get()
    assert (found.kind, found.order_id, order.status) == (kind, order.id, Order.Status.PENDING)
    assert Payment.objects.get().status == Payment.Status.OPEN
    assert LedgerEntry.objects.count() == entries
    # The true event settles it all the same.
    run_until_idle(stripe)
    assert order_status(order.id) == Order.Status.COMPLETED
    assert_books_agree(stripe)


@pytest.mark.parametrize(
    "kind",
    [
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "invoice.paid",
        "invoice.payment_failed",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "charge.refunded",
        "charge.dispute.created",
    ],
)
def test_an_event_about_what_nobody_knows_is_a_break(stripe: Stripe, kind: str) -> None:
    thing: Object = {"id": "xx_unknown", "object": "thing", "currency": "omr", "amount_refunded": 5, "metadata": {}}
    thing |= {"subscription": "sub_unknown"} if kind.startswith("invoice") else {}
    payload = {"object": "event", "id": "evt_unknown", "type": kind, "created": 1, "data": {"object": thing}}
    assert post_event(payload).status_code == 200
    run_waiting_jobs()

    expected = Break.Kind.DISPUTE if "dispute" in kind else Break.Kind.UNKNOWN_OBJECT
    assert [each.kind for each in Break.objects.all()] == [expected]
    assert StripeEvent.objects.get().settled_at is not None
    assert LedgerEntry.objects.count() == 0


def test_an_event_of_no_interest_is_kept_and_left_alone(stripe: Stripe) -> None:
    payload = {
        "object": "event",
        "id": "evt_1",
        "type": "price.created",
        "created": 1,
        "data": {"object": {"id": "price_1"}},
    }
    assert post_event(payload).status_code == 200
    run_waiting_jobs()
    assert StripeEvent.objects.get().outcome == "ignored"
    assert Break.objects.count() == 0


def test_the_expired_event_of_a_replaced_session_does_not_touch_the_next(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    stripe.do(f"sessions/{session_id_of(first.order_id)}/expire")
    run_until_idle(stripe)
    second = buyer.wanting(key="second", promo_code=None).check_out()
    expired = newest_event(stripe, "checkout.session.expired")
    assert post_event({**expired, "id": "evt_again"}).status_code == 200
    run_until_idle(stripe)
    assert order_status(second.order_id) == Order.Status.PENDING
    assert (buyer.account.balance_minor, buyer.account.held_minor) == (ALL_MINOR, APPLIED_MINOR)
    assert_books_agree(stripe)
