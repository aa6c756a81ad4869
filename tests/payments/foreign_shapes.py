"""Play a customer's purchase, renewal, refund and dispute while Stripe answers and sends events in varied shapes."""

import random
from datetime import timedelta
from typing import NamedTuple

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


class Orders(NamedTuple):
    """One customer renews, is refunded in part and disputes; the others pay by card and by bank debits."""

    first: Order
    other: Order
    debit: Order
    bounced: Order


def act_at_stripe(stripe: Stripe, seed: int) -> Orders:
    """Customers and banks act at Stripe, whose answers vary by the seed from now on. No event is delivered."""
    stripe.do("shapes", seed=seed)
    orders = Orders(*(Order.objects.get(id=new_buyer().check_out().order_id) for _ in Orders._fields))
    for order in (orders.first, orders.other):
        stripe.pay(session_id_of(order.id))
    first = session_id_of(orders.first.id)
    stripe.do(f"payments/{first}/refund", amount=REFUNDED_MINOR)
    dispute = stripe.do(f"payments/{first}/dispute")
    for action in ("pay_async", "settle_async"):
        stripe.do(f"sessions/{session_id_of(orders.debit.id)}/{action}")
    stripe.do("clock", months=1)
    for action in ("pay_async", "fail_async"):
        stripe.do(f"sessions/{session_id_of(orders.bounced.id)}/{action}")
    stripe.do(f"disputes/{dispute['id']}/close", status="lost")
    return orders


def play(stripe: Stripe, draw: Draw, shuffle: random.Random, *, seed: int, twice: bool) -> None:
    """Deliver events in shapes of their own, in any order, perhaps twice, and lose some; the service works meanwhile.

    Stripe may send all types of event, those of payment intents too. Then run the service until it rests.
    """
    orders = act_at_stripe(stripe, seed)
    types = draw.choose(("endpoint's", "all"))
    events = [each for each in undelivered_events(stripe) if types == "all" or each["type"] in ENDPOINT_TYPES]
    deliveries = []
    for event in events:
        if is_about(event, orders.other):
            deliveries.append(event)
        elif draw.choose(("sent", "sent", "lost", "sent")) == "sent":
            deliveries.append(vary_event(with_invoice(event, stripe, draw), draw, stripe.find))
    deliveries += deliveries if twice else []
    shuffle.shuffle(deliveries)
    for event in deliveries:
        answer = post_event(event)
        assert answer.status_code == 200, (answer.status_code, answer.content, event)
        work = draw.choose(("wait", "wait", "run jobs", "sweep", "wait"))
        if work == "run jobs":
            run_waiting_jobs()
        elif work == "sweep":
            assert sweep().failed == []
    run_all_jobs()
    assert order_status(orders.other.id) == Order.Status.COMPLETED
    rest(stripe, orders)


def play_unheard(stripe: Stripe, *, seed: int) -> None:
    """Deliver no event: the sweeper and the nightly comparison find everything by their own reading."""
    rest(stripe, act_at_stripe(stripe, seed))


def rest(stripe: Stripe, orders: Orders) -> None:
    """Run the sweeper and the nightly comparison until nothing is left to settle, and check the result."""
    sweep_late()
    # The refund is compared after its payment's invoice is booked.
    for _ in range(2):
        compare_late()
        run_all_jobs()
    assert compare_late() == []
    assert_settled(stripe, orders)


def with_invoice(event: Object, stripe: Stripe, draw: Draw) -> Object:
    """Return a charge's event as API versions before 2025-03-31 send it, in which the charge names its invoice."""
    charge = event["data"]["object"]
    if charge["object"] != "charge" or not draw.flag():
        return event
    [paid] = stripe.all("invoice_payments", **{"payment[type]": "payment_intent"} | intent_of(charge))
    return {**event, "data": {"object": {**charge, "invoice": paid["invoice"]}}}


def intent_of(charge: Object) -> dict[str, str]:
    return {"payment[payment_intent]": charge["payment_intent"]}


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
            assert mirror_event(vary_event(event, draw, stripe.find), secret_key=SECRET_KEY, api_base=stripe.url)


def is_about(event: Object, order: Order) -> bool:
    customer = Payment.objects.get(order=order).stripe_customer_id
    return bool(event["data"]["object"].get("customer") == customer)


def assert_settled(stripe: Stripe, orders: Orders) -> None:
    assert list(StripeEvent.objects.filter(settled_at=None)) == []
    assert list(StripeEvent.objects.filter(attempts__gt=0)) == []
    waiting = StripeEvent.objects.filter(outcome__in=["before_link", "before_completion", "retrieving_lines"])
    assert not waiting, [(each.type, each.outcome, each.payload["data"]) for each in waiting]
    done, failed = Order.Status.COMPLETED, Order.Status.FAILED
    assert [order_status(each.id) for each in orders] == [done, done, done, failed]
    assert Payment.objects.get(order=orders.first).refunded_minor == REFUNDED_MINOR
    [found] = Break.objects.filter(closed_at=None)
    assert (found.kind, found.order_id, found.details["status"]) == (Break.Kind.DISPUTE, orders.first.id, "lost")
    for subscription in Subscription.objects.all():
        theirs = stripe.get(f"subscriptions/{subscription.stripe_subscription_id}")
        ours = (subscription.current_period_start, subscription.current_period_end)
        assert ours == read_subscription_period(theirs)
        months = Invoice.objects.filter(subscription=subscription).order_by("period_start")
        assert list(months.values_list("amount_minor", "status")) == [(TOTAL_MINOR, "paid")] * 2
        assert months.last() is not None and months.last().period_end == ours[1]  # type: ignore[union-attr]
    charged = sorted(each["amount"] for each in stripe.charges() if each["status"] == "succeeded")
    assert charged == [CHARGED_MINOR] * 3 + [TOTAL_MINOR] * 3
    assert_books_agree(stripe)
