"""Reconciliation while renewals, webhooks and other runs work on the same orders."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from billing.models import LedgerEntry, Subscription
from orders.models import Break, Order, OutboxEvent
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome, renew_subscription
from tests.concurrency.threads import race
from tests.factories import acting, actor, give_credit
from tests.payments.buyer import new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import LATER, assert_found, open_break_keys, reconcile
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_until_idle, run_waiting_jobs

pytestmark = pytest.mark.django_db(transaction=True)


def test_reconciliation_settles_a_renewal_whose_payment_event_was_lost(stripe: Stripe) -> None:
    buyer = new_buyer(voucher_minor=0)
    give_credit(buyer.customer, 20_000)
    place_order(request=buyer.request, by=acting(buyer.customer))
    while run_waiting_jobs():
        pass
    stripe.do("clock", seconds=32 * 86_400, everything=True)
    now = datetime.fromtimestamp(stripe.do("clock")["api"], tz=UTC)
    subscription = Subscription.objects.get()
    assert renew_subscription(subscription_id=subscription.id, by=actor(), now=now) == [RenewalOutcome.PAST_DUE]
    order = Order.objects.get(kind=Order.Kind.RENEWAL)
    stripe.pay(session_id_of(order.id))
    expected = (Break.Kind.SESSION_STATE_DIFFERS.value, session_id_of(order.id), order.id)

    assert_found(expected, now=now + LATER)
    run = reconcile(repair=True, now=now + LATER)

    assert [(each.kind.value, each.object_id, each.order_id) for each in run.findings] == [expected]
    assert (run.open, open_break_keys()) == ([], [])
    assert order_status(order.id) == Order.Status.COMPLETED
    assert Subscription.objects.get().status == Subscription.Status.ACTIVE
    assert reconcile(repair=True, now=now + LATER).findings == []


def test_concurrent_runs_and_the_webhook_settle_a_payment_once(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    event = newest_event(stripe, "checkout.session.completed")
    assert post_event(event).status_code == 200

    run: Callable[[], object] = partial(reconcile, repair=True, parts=("sessions",))
    settle: Callable[[], object] = partial(settle_event, event_id=event["id"])
    race([run, run, run, settle])

    assert order_status(order_id) == Order.Status.COMPLETED
    assert LedgerEntry.objects.filter(order_id=order_id, kind=LedgerEntry.Kind.SPEND).count() == 1
    assert OutboxEvent.objects.filter(type="order.placed").count() == 1
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert reconcile(repair=True).findings == []
    assert open_break_keys() == []


def test_concurrent_runs_open_a_break_once(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/expire")

    race([partial(reconcile, parts=("sessions",))] * 4)

    assert open_break_keys() == [("session_state_differs", session_id_of(order_id), order_id)]
