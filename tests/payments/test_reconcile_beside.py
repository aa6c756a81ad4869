"""Reconciliation beside what else goes on: renewals by card, webhooks, and another run at the same moment."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from billing.models import LedgerEntry, Subscription
from orders.models import Break, Order, OutboxEvent
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.subscriptions.renew_subscription import Outcome, renew_subscription
from tests.concurrency.threads import race
from tests.factories import acting, actor, give_credit
from tests.payments.books import books_agree
from tests.payments.reconciling import LATER, assert_named, open_breaks, reconcile
from tests.payments.shopping import event_of, open_shop, post_event, session_of, status_of
from tests.payments.stripe_process import Stripe
from tests.payments.working import work, work_until_quiet

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_renewal_that_was_paid_unheard_is_settled(stripe: Stripe) -> None:
    shop = open_shop(voucher_minor=0)
    give_credit(shop.customer, 20_000)
    place_order(request=shop.request, by=acting(shop.customer))
    while work():
        pass
    stripe.do("clock", seconds=32 * 86_400, everything=True)
    now = datetime.fromtimestamp(stripe.do("clock")["api"], tz=UTC)
    subscription = Subscription.objects.get()
    assert renew_subscription(subscription_id=subscription.id, by=actor(), now=now) == [Outcome.PAST_DUE]
    order = Order.objects.get(kind=Order.Kind.RENEWAL)
    stripe.pay(session_of(order.id))
    expected = (Break.Kind.SESSION_STATE_DIFFERS.value, session_of(order.id), order.id)

    assert_named(expected, now=now + LATER)
    done = reconcile(repair=True, now=now + LATER)

    assert [(each.kind.value, each.object_id, each.order_id) for each in done.findings] == [expected]
    assert (done.open, open_breaks()) == ([], [])
    assert status_of(order.id) == Order.Status.COMPLETED
    assert Subscription.objects.get().status == Subscription.Status.ACTIVE
    assert reconcile(repair=True, now=now + LATER).findings == []


def test_several_runs_and_the_webhook_at_once_settle_once(stripe: Stripe) -> None:
    shop = open_shop()
    order_id = shop.check_out().order_id
    stripe.pay(session_of(order_id))
    event = event_of(stripe, "checkout.session.completed")
    assert post_event(event).status_code == 200

    run: Callable[[], object] = partial(reconcile, repair=True, parts=("sessions",))
    settle: Callable[[], object] = partial(settle_event, event_id=event["id"])
    race([run, run, run, settle])

    assert status_of(order_id) == Order.Status.COMPLETED
    assert LedgerEntry.objects.filter(order_id=order_id, kind=LedgerEntry.Kind.SPEND).count() == 1
    assert OutboxEvent.objects.filter(type="order.placed").count() == 1
    work_until_quiet(stripe)
    books_agree(stripe)
    assert reconcile(repair=True).findings == []
    assert open_breaks() == []


def test_several_runs_at_once_tell_staff_once(stripe: Stripe) -> None:
    order_id = open_shop().check_out().order_id
    stripe.do(f"sessions/{session_of(order_id)}/expire")

    race([partial(reconcile, parts=("sessions",))] * 4)

    assert open_breaks() == [("session_state_differs", session_of(order_id), order_id)]
