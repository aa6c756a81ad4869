"""Stripe's events in any documented shape, late, twice and out of order, for webhook, jobs and sweeper.

Nothing stays unsettled, no other customer's event waits for one that fails, the books agree, and nothing is a 500.
"""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing.models import Invoice, Subscription
from orders.models import Break, Order, Payment, StripeEvent
from orders.stripe.payloads import read_subscription_period
from tests.factories import forget_prices
from tests.payments.buyer import CHARGED_MINOR, TOTAL_MINOR, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.foreign_shapes import Draw, vary_event
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import ENDPOINT_TYPES, post_event, undelivered_events
from tests.payments.worker import run_waiting_jobs, sweep

pytestmark = pytest.mark.django_db(transaction=True)

REFUNDED_MINOR = 1_000
# Two months and a day: every wait for an owner or an order is over.
LATE = timedelta(days=62)


def act_at_stripe(stripe: Stripe) -> tuple[Order, Order]:
    """One customer buys, renews, is refunded in part and disputes; another one buys. Nothing is delivered."""
    orders = [Order.objects.get(id=new_buyer().check_out().order_id) for _ in range(2)]
    for order in orders:
        stripe.pay(session_id_of(order.id))
    first = session_id_of(orders[0].id)
    stripe.do(f"payments/{first}/refund", amount=REFUNDED_MINOR)
    stripe.do(f"payments/{first}/dispute")
    stripe.do("clock", months=1)
    return orders[0], orders[1]


def play(stripe: Stripe, draw: Draw, shuffle: random.Random, *, twice: bool) -> None:
    """Deliver every event in a shape of its own, in any order, perhaps twice; then run the service until it rests."""
    first, other = act_at_stripe(stripe)
    events = [each for each in undelivered_events(stripe) if each["type"] in ENDPOINT_TYPES]
    deliveries = [vary_event(event, draw) if is_about(event, first) else event for event in events]
    deliveries += deliveries if twice else []
    shuffle.shuffle(deliveries)
    for event in deliveries:
        answer = post_event(event)
        assert answer.status_code == 200, (answer.status_code, answer.content, event)
    while run_waiting_jobs():
        pass
    assert order_status(other.id) == Order.Status.COMPLETED
    for _ in range(3):
        swept = sweep(now=timezone.now() + LATE)
        assert swept.failed == []
        while run_waiting_jobs():
            pass
    assert_settled(stripe, first, other)


def is_about(event: Object, order: Order) -> bool:
    customer = Payment.objects.get(order=order).stripe_customer_id
    document = event["data"]["object"]
    return document.get("customer") in (customer, None)


def assert_settled(stripe: Stripe, first: Order, other: Order) -> None:
    assert list(StripeEvent.objects.filter(settled_at=None)) == []
    assert list(StripeEvent.objects.filter(attempts__gt=0)) == []
    waiting = StripeEvent.objects.filter(outcome__in=["before_link", "before_completion", "retrieving_lines"])
    assert list(waiting.values_list("type", "outcome")) == []
    assert [order_status(each.id) for each in (first, other)] == [Order.Status.COMPLETED] * 2
    assert Payment.objects.get(order=first).refunded_minor == REFUNDED_MINOR
    assert Break.objects.filter(kind=Break.Kind.DISPUTE).count() == 1
    assert set(Break.objects.values_list("kind", flat=True)) == {Break.Kind.DISPUTE}
    for subscription in Subscription.objects.all():
        theirs = stripe.get(f"subscriptions/{subscription.stripe_subscription_id}")
        ours = (subscription.current_period_start, subscription.current_period_end)
        assert ours == read_subscription_period(theirs)
        months = Invoice.objects.filter(subscription=subscription).order_by("period_start")
        assert list(months.values_list("amount_minor", "status")) == [(TOTAL_MINOR, "paid")] * 2
        assert months.last() is not None and months.last().period_end == ours[1]  # type: ignore[union-attr]
    assert sorted(each["amount"] for each in stripe.charges()) == [CHARGED_MINOR] * 2 + [TOTAL_MINOR] * 2
    assert_books_agree(stripe)


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    # An example takes seconds, so a failing one is shown as it is.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), shuffle=st.randoms(use_true_random=False), twice=st.booleans())
def test_events_in_any_shape_and_order_are_settled(
    stripe: Stripe, data: st.DataObject, shuffle: random.Random, twice: bool
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pristine.restore()")
    forget_prices()
    stripe.reset()
    play(stripe, Draw(lambda choices: data.draw(st.sampled_from(choices))), shuffle, twice=twice)


@pytest.mark.parametrize("pick", ["the first of each choice", "the last of each choice", 3, 4])
def test_these_shapes_are_settled(stripe: Stripe, pick: int | str) -> None:
    chooser = random.Random(pick)
    at = {"the first of each choice": 0, "the last of each choice": -1}.get(str(pick))
    draw = Draw(lambda choices: choices[at] if at is not None else chooser.choice(choices))
    play(stripe, draw, random.Random(pick), twice=True)
