"""Play a customer's purchase, renewal, refund and dispute while Stripe answers and sends events in varied shapes."""

import random
from datetime import timedelta

from django.utils import timezone

from billing.models import Invoice, Subscription
from config.devtools.stripe_sandbox.protocol.shapes import Draw, vary_event
from orders.models import Break, Order, Payment, StripeEvent
from orders.stripe.mirror import mirror_event
from orders.stripe.payloads import read_subscription_period
from orders.use_cases.reconciliation.reconciliation_run import Finding
from tests.payments.buyer import CHARGED_MINOR, TOTAL_MINOR, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import LATER, reconcile
from tests.payments.stripe_server import SECRET_KEY, Object, Stripe
from tests.payments.webhook_delivery import ENDPOINT_TYPES, post_event, undelivered_events
from tests.payments.worker import run_waiting_jobs, sweep

REFUNDED_MINOR = 1_000
# Two months and a day: every wait for an owner or an order is over.
LATE = timedelta(days=62)


def act_at_stripe(stripe: Stripe, seed: int) -> tuple[Order, Order]:
    """One customer buys, renews, is refunded in part and disputes; another one buys. Nothing is delivered.

    From the first call on, Stripe's answers vary by the seed.
    """
    stripe.do("shapes", seed=seed)
    orders = [Order.objects.get(id=new_buyer().check_out().order_id) for _ in range(2)]
    for order in orders:
        stripe.pay(session_id_of(order.id))
    first = session_id_of(orders[0].id)
    stripe.do(f"payments/{first}/refund", amount=REFUNDED_MINOR)
    stripe.do(f"payments/{first}/dispute")
    stripe.do("clock", months=1)
    return orders[0], orders[1]


def play(stripe: Stripe, draw: Draw, shuffle: random.Random, *, seed: int, twice: bool) -> None:
    """Deliver every event in a shape of its own, in any order, perhaps twice; then run the service until it rests."""
    first, other = act_at_stripe(stripe, seed)
    events = [each for each in undelivered_events(stripe) if each["type"] in ENDPOINT_TYPES]
    deliveries = [vary_event(event, draw) if is_about(event, first) else event for event in events]
    deliveries += deliveries if twice else []
    shuffle.shuffle(deliveries)
    for event in deliveries:
        answer = post_event(event)
        assert answer.status_code == 200, (answer.status_code, answer.content, event)
    run_all_jobs()
    assert order_status(other.id) == Order.Status.COMPLETED
    sweep_late()
    assert compare_late() == []
    assert_settled(stripe, first, other)
    assert Break.objects.filter(kind=Break.Kind.DISPUTE).count() == 1


def play_unheard(stripe: Stripe, *, seed: int) -> None:
    """Deliver no event: the sweeper and the nightly comparison find everything by their own reading."""
    first, other = act_at_stripe(stripe, seed)
    sweep_late()
    assert [order_status(each.id) for each in (first, other)] == [Order.Status.COMPLETED] * 2
    # The refund is compared after its payment's invoice is booked.
    for _ in range(2):
        compare_late()
        run_all_jobs()
    assert compare_late() == []
    assert_settled(stripe, first, other)


def sweep_late() -> None:
    for _ in range(3):
        assert sweep(now=timezone.now() + LATE).failed == []
        run_all_jobs()


def compare_late() -> list[Finding]:
    return reconcile(repair=True, now=timezone.now() + LATE + LATER, since=2 * LATE).findings


def run_all_jobs() -> None:
    while run_waiting_jobs():
        pass


def mirror_all(stripe: Stripe, draw: Draw, *, seed: int) -> None:
    """Copy the object of each event for staff, while Stripe answers in shapes of this seed."""
    act_at_stripe(stripe, seed)
    for event in undelivered_events(stripe):
        if event["type"] in ENDPOINT_TYPES:
            assert mirror_event(vary_event(event, draw), secret_key=SECRET_KEY, api_base=stripe.url)


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
    assert set(Break.objects.filter(closed_at=None).values_list("kind", flat=True)) <= {Break.Kind.DISPUTE}
    for subscription in Subscription.objects.all():
        theirs = stripe.get(f"subscriptions/{subscription.stripe_subscription_id}")
        ours = (subscription.current_period_start, subscription.current_period_end)
        assert ours == read_subscription_period(theirs)
        months = Invoice.objects.filter(subscription=subscription).order_by("period_start")
        assert list(months.values_list("amount_minor", "status")) == [(TOTAL_MINOR, "paid")] * 2
        assert months.last() is not None and months.last().period_end == ours[1]  # type: ignore[union-attr]
    assert sorted(each["amount"] for each in stripe.charges()) == [CHARGED_MINOR] * 2 + [TOTAL_MINOR] * 2
    assert_books_agree(stripe)
