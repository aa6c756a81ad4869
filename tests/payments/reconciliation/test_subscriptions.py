"""Reconciliation of subscriptions: Stripe must not charge for a subscription that ended here or never started."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Subscription
from orders.models import Break, Order, StripeEvent
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.payments.settle_payment import settle_unpaid
from tests.factories import acting
from tests.payments.buyer import Buyer, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import (
    BreakKey,
    assert_found,
    assert_left_open,
    assert_repaired,
    break_keys,
    open_break_keys,
    reconcile,
)
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def buy(stripe: Stripe) -> tuple[Buyer, UUID]:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return buyer, order_id


def stray_subscription(stripe: Stripe, order_id: UUID) -> BreakKey:
    [subscription] = stripe.subscriptions()
    return Kind.STRAY_SUBSCRIPTION.value, subscription["id"], order_id


def lose_cancellations() -> None:
    """Delete the jobs that cancel subscriptions at Stripe, as if they had failed for nine hours."""
    jobs = ProcrastinateJob.objects.filter(task_name="cancel_stripe_subscription", status="todo")
    assert jobs.exists()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'cancel_stripe_subscription'")


def settle_all_events() -> None:
    """Settle every received event, without the jobs that follow."""
    for event_id in StripeEvent.objects.filter(settled_at=None).values_list("id", flat=True):
        settle_event(event_id=event_id)


def assert_canceled(stripe: Stripe) -> None:
    assert {each["status"] for each in stripe.subscriptions()} == {"canceled"}


# --- Live at Stripe, not here -----------------------------------------------------------------------------------
def test_a_subscription_that_ended_here_is_canceled_at_stripe(stripe: Stripe) -> None:
    buyer, order_id = buy(stripe)
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    lose_cancellations()

    assert_found(stray_subscription(stripe, order_id))
    assert_repaired(stripe, stray_subscription(stripe, order_id))
    assert_canceled(stripe)


def test_the_subscription_of_a_refunded_late_payment_is_canceled(stripe: Stripe) -> None:
    """The customer paid after the organization was deleted, so no subscription started here."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    stripe.pay(session_id_of(order_id))
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    deliver_events(stripe)
    settle_all_events()
    lose_cancellations()
    while run_waiting_jobs():
        pass
    Break.objects.all().delete()

    assert_found(stray_subscription(stripe, order_id))
    assert_repaired(stripe, stray_subscription(stripe, order_id))
    assert_canceled(stripe)


def test_the_subscription_of_a_failed_bank_debit_is_canceled(stripe: Stripe) -> None:
    """The order does not name the subscription; only the subscription names the order."""
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    deliver_events(stripe)
    settle_all_events()
    lose_cancellations()
    assert order_status(order_id) == Order.Status.FAILED

    assert_found(stray_subscription(stripe, order_id))
    assert_repaired(stripe, stray_subscription(stripe, order_id))
    assert_canceled(stripe)


def test_the_subscription_of_a_processing_bank_debit_is_no_break(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []
    assert [each["status"] for each in stripe.subscriptions()] == ["active"]


def test_a_subscription_whose_payment_is_not_settled_yet_is_not_canceled(stripe: Stripe) -> None:
    """The session was paid after its order expired here: settling takes the credit again, and the month goes on."""
    order_id = new_buyer().check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    stripe.pay(session_id_of(order_id))

    assert reconcile(repair=True, parts=("subscriptions",)).findings == []

    expected = (Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id)
    assert_repaired(stripe, expected)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert [each["status"] for each in stripe.subscriptions()] == ["active"]


def test_the_subscription_of_an_unknown_order_is_left_to_staff(stripe: Stripe) -> None:
    buy(stripe)
    [subscription] = stripe.subscriptions()
    other = {**subscription, "id": "sub_other", "metadata": {"order_id": str(UUID(int=7))}}
    without = {**subscription, "id": "sub_without", "metadata": {}}
    list_at_stripe(stripe, other, without, subscription)
    expected = (Kind.STRAY_SUBSCRIPTION.value, "sub_other", None)

    assert_found(expected)
    assert_left_open(expected)


# --- In another state ---------------------------------------------------------------------------------------
def subscription_differs(stripe: Stripe, order_id: UUID) -> BreakKey:
    [subscription] = stripe.subscriptions()
    return Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id


def test_a_subscription_canceled_in_the_dashboard_ends_here(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    stripe.delete(f"subscriptions/{Subscription.objects.get().stripe_subscription_id}")
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []

    assert_found(subscription_differs(stripe, order_id))
    assert_repaired(stripe, subscription_differs(stripe, order_id))
    assert Subscription.objects.get().status == Subscription.Status.CANCELED


def test_a_subscription_whose_month_was_not_charged_becomes_past_due(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    stripe.do("cards", behaviour="declines")
    stripe.do("clock", months=1)
    now = timezone.now() + timedelta(days=32)

    assert_found(subscription_differs(stripe, order_id), now=now)
    assert_repaired(stripe, subscription_differs(stripe, order_id), now=now)
    assert Subscription.objects.get().status == Subscription.Status.PAST_DUE


def list_at_stripe(stripe: Stripe, *subscriptions: object) -> None:
    """Make Stripe list these subscriptions, in states that the sandbox does not have."""
    body = {"object": "list", "data": list(subscriptions), "has_more": False, "url": "/v1/subscriptions"}
    stripe.fault(method="GET", path="/v1/subscriptions", effect="answer", status=200, body=body, count=None)


@pytest.mark.parametrize("status", ["trialing", "past_due", "incomplete", "paused"])
def test_every_status_at_stripe_is_adopted(stripe: Stripe, status: str) -> None:
    _, order_id = buy(stripe)
    [subscription] = stripe.subscriptions()
    list_at_stripe(stripe, {**subscription, "status": status})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    run = reconcile(repair=True)

    assert (break_keys(run.findings), run.open, open_break_keys()) == ([expected], [], [])
    assert Subscription.objects.get().status == status
    assert reconcile().findings == []


def test_a_subscription_that_is_unpaid_at_stripe_ends_here_and_at_stripe(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    [subscription] = stripe.subscriptions()
    list_at_stripe(stripe, {**subscription, "status": "unpaid"})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    run = reconcile(repair=True)
    stripe.heal()
    run_until_idle(stripe)

    assert (break_keys(run.findings), run.open, open_break_keys()) == ([expected], [], [])
    assert Subscription.objects.get().organization.status == "suspended"
    assert_canceled(stripe)
    assert_books_agree(stripe)


def test_an_unknown_status_is_left_to_staff(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    [subscription] = stripe.subscriptions()
    list_at_stripe(stripe, {**subscription, "status": "hibernating"})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    assert_left_open(expected)
