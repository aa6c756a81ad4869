"""Events that arrive several times, at once and in any order settle a payment once, with the same result."""

import random
from functools import partial

import pytest

from billing.models import LedgerEntry, Organization, Subscription
from orders.models import Order, OutboxEvent, Payment, StripeEvent
from orders.use_cases.payments.settle_event import settle_event
from tests.concurrency.threads import race
from tests.payments.buyer import (
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, open_break_kinds
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event, post_event, undelivered_events
from tests.payments.worker import run_until_idle, run_waiting_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_concurrent_deliveries_of_one_event_settle_it_once(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    event = newest_event(stripe, "checkout.session.completed")

    answers = race([partial(post_event, event)] * 50).values
    assert [answer.status_code for answer in answers] == [200] * 50
    assert [answer.json()["duplicate"] for answer in answers].count(False) == 1
    settled = race([partial(settle_event, event_id=event["id"])] * 50).values
    assert settled == ["completed"] * 50

    assert StripeEvent.objects.count() == 1
    assert LedgerEntry.objects.filter(order_id=order_id, kind=LedgerEntry.Kind.SPEND).count() == 1
    assert OutboxEvent.objects.filter(type="order.placed").count() == 1
    assert Subscription.objects.count() == 1
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_fifty_concurrent_events_about_one_session_settle_it_once(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    event = newest_event(stripe, "checkout.session.completed")
    copies = [{**event, "id": f"{event['id']}{number}"} for number in range(50)]
    for copy in copies:
        assert post_event(copy).status_code == 200

    settled = race([partial(settle_event, event_id=str(copy["id"])) for copy in copies]).values

    assert sorted(settled) == ["completed", *["unchanged"] * 49]
    run_until_idle(stripe)
    assert_books_agree(stripe)


SESSION_LIVES = {
    "paid": ("pay",),
    "refused then paid": ("refuse", "pay"),
    "expired": ("expire",),
    "debit succeeded": ("pay_async", "settle_async"),
    "debit failed": ("pay_async", "fail_async"),
}


@pytest.mark.parametrize("seed", ["in order", "reversed", 1, 2])
@pytest.mark.parametrize("refund", [0, 1_000, CHARGED_MINOR], ids=["", "part", "full"])
@pytest.mark.parametrize("life", SESSION_LIVES)
def test_events_that_arrive_twice_in_any_order_have_the_same_result(
    stripe: Stripe, life: str, refund: int, seed: object
) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    session_id = session_id_of(order_id)
    for action in SESSION_LIVES[life]:
        stripe.do(f"sessions/{session_id}/{action}")
    is_paid = SESSION_LIVES[life][-1] in ("pay", "settle_async")
    if refund and is_paid:
        stripe.do(f"payments/{session_id}/refund", amount=refund)
    events = undelivered_events(stripe)
    if seed == "reversed":
        events.reverse()
    elif isinstance(seed, int):
        random.Random(seed).shuffle(events)

    for event in events:
        for _ in range(2):
            assert post_event(event).status_code == 200
            run_waiting_jobs()
    run_until_idle(stripe)

    assert_books_agree(stripe)
    if is_paid:
        expected = Order.Status.REFUNDED if refund == CHARGED_MINOR else Order.Status.COMPLETED
    else:
        expected = Order.Status.FAILED if life == "debit failed" else Order.Status.EXPIRED
    assert order_status(order_id) == expected
    kept = is_paid and refund != CHARGED_MINOR
    assert buyer.credit == (BALANCE_AFTER_MINOR if kept else BALANCE_BEFORE_MINOR, 0)
    assert Payment.objects.get().refunded_minor == (refund if is_paid else 0)
    assert open_break_kinds() == []
    with nothing_changes():
        for event in events:
            assert post_event(event).json()["duplicate"]
    if kept:
        assert Organization.objects.get().status == Organization.Status.ACTIVE
