"""Reconciliation of subscriptions: nobody is charged by the month for what has ended here, or never began."""

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
    open_breaks,
    reconcile,
)
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind


def paid(stripe: Stripe) -> tuple[Buyer, UUID]:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return buyer, order_id


def stray(stripe: Stripe, order_id: UUID) -> BreakKey:
    [subscription] = stripe.subscriptions()
    return Kind.STRAY_SUBSCRIPTION.value, subscription["id"], order_id


def lose_cancellations() -> None:
    """The jobs that would cancel at Stripe have failed for nine hours, and given up."""
    jobs = ProcrastinateJob.objects.filter(task_name="cancel_stripe_subscription", status="todo")
    assert jobs.exists()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'cancel_stripe_subscription'")


def settle_all() -> None:
    """Settles the events of the inbox, and does none of the jobs that follow."""
    for event_id in StripeEvent.objects.filter(settled_at=None).values_list("id", flat=True):
        settle_event(event_id=event_id)


def assert_canceled(stripe: Stripe) -> None:
    assert {each["status"] for each in stripe.subscriptions()} == {"canceled"}


# --- Alive there, not here ------------------------------------------------------------------------------------
def test_one_that_ended_here_is_cancelled_there(stripe: Stripe) -> None:
    buyer, order_id = paid(stripe)
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []
    lose_cancellations()

    assert_found(stray(stripe, order_id))
    assert_repaired(stripe, stray(stripe, order_id))
    assert_canceled(stripe)


def test_one_of_a_payment_that_was_given_back_is_cancelled(stripe: Stripe) -> None:
    """Paid after the organization had ended: nothing was ever subscribed here."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    stripe.pay(session_id_of(order_id))
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    deliver_events(stripe)
    settle_all()
    lose_cancellations()
    while run_waiting_jobs():
        pass
    Break.objects.all().delete()

    assert_found(stray(stripe, order_id))
    assert_repaired(stripe, stray(stripe, order_id))
    assert_canceled(stripe)


def test_one_whose_debit_failed_is_cancelled(stripe: Stripe) -> None:
    """The order carries no subscription; the subscription carries the order."""
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    deliver_events(stripe)
    settle_all()
    lose_cancellations()
    assert order_status(order_id) == Order.Status.FAILED

    assert_found(stray(stripe, order_id))
    assert_repaired(stripe, stray(stripe, order_id))
    assert_canceled(stripe)


def test_one_of_a_debit_that_is_on_its_way_is_no_break(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    with nothing_changes():
        assert reconcile(repair=True).findings == []
    assert [each["status"] for each in stripe.subscriptions()] == ["active"]


def test_one_whose_payment_is_still_to_be_settled_is_not_cancelled(stripe: Stripe) -> None:
    """Its order was given up, and the session paid all the same: the credit may be taken again, and it goes on."""
    order_id = new_buyer().check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    stripe.pay(session_id_of(order_id))

    assert reconcile(repair=True, parts=("subscriptions",)).findings == []

    expected = (Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id)
    assert_repaired(stripe, expected)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert [each["status"] for each in stripe.subscriptions()] == ["active"]


def test_one_of_an_order_that_is_not_here_is_left_to_people(stripe: Stripe) -> None:
    paid(stripe)
    [subscription] = stripe.subscriptions()
    other = {**subscription, "id": "sub_other", "metadata": {"order_id": str(UUID(int=7))}}
    without = {**subscription, "id": "sub_without", "metadata": {}}
    listed(stripe, other, without, subscription)
    expected = (Kind.STRAY_SUBSCRIPTION.value, "sub_other", None)

    assert_found(expected)
    assert_left_open(expected)


# --- In another state ---------------------------------------------------------------------------------------
def differs(stripe: Stripe, order_id: UUID) -> BreakKey:
    [subscription] = stripe.subscriptions()
    return Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id


def test_one_that_was_cancelled_in_the_dashboard_ends_here(stripe: Stripe) -> None:
    _, order_id = paid(stripe)
    stripe.delete(f"subscriptions/{Subscription.objects.get().stripe_subscription_id}")
    with nothing_changes():
        assert reconcile(repair=True, now=timezone.now()).findings == []

    assert_found(differs(stripe, order_id))
    assert_repaired(stripe, differs(stripe, order_id))
    assert Subscription.objects.get().status == Subscription.Status.CANCELED


def test_one_whose_month_could_not_be_charged_is_past_due(stripe: Stripe) -> None:
    _, order_id = paid(stripe)
    stripe.do("cards", behaviour="declines")
    stripe.do("clock", months=1)
    now = timezone.now() + timedelta(days=32)

    assert_found(differs(stripe, order_id), now=now)
    assert_repaired(stripe, differs(stripe, order_id), now=now)
    assert Subscription.objects.get().status == Subscription.Status.PAST_DUE


def listed(stripe: Stripe, *subscriptions: object) -> None:
    """Stripe lists these from now on: states that the sandbox has no way to."""
    body = {"object": "list", "data": list(subscriptions), "has_more": False, "url": "/v1/subscriptions"}
    stripe.fault(method="GET", path="/v1/subscriptions", effect="answer", status=200, body=body, count=None)


@pytest.mark.parametrize("status", ["trialing", "past_due", "incomplete", "paused"])
def test_every_state_of_stripes_is_followed(stripe: Stripe, status: str) -> None:
    _, order_id = paid(stripe)
    [subscription] = stripe.subscriptions()
    listed(stripe, {**subscription, "status": status})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    done = reconcile(repair=True)

    assert (break_keys(done.findings), done.open, open_breaks()) == ([expected], [], [])
    assert Subscription.objects.get().status == status
    assert reconcile().findings == []


def test_one_that_is_unpaid_there_ends_here_and_there(stripe: Stripe) -> None:
    _, order_id = paid(stripe)
    [subscription] = stripe.subscriptions()
    listed(stripe, {**subscription, "status": "unpaid"})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    done = reconcile(repair=True)
    stripe.heal()
    run_until_idle(stripe)

    assert (break_keys(done.findings), done.open, open_breaks()) == ([expected], [], [])
    assert Subscription.objects.get().organization.status == "suspended"
    assert_canceled(stripe)
    assert_books_agree(stripe)


def test_a_state_without_a_name_here_is_left_to_people(stripe: Stripe) -> None:
    _, order_id = paid(stripe)
    [subscription] = stripe.subscriptions()
    listed(stripe, {**subscription, "status": "hibernating"})
    expected = (Kind.SUBSCRIPTION_STATE_DIFFERS.value, subscription["id"], order_id)

    assert_found(expected)
    assert_left_open(expected)
