"""A subscription's owner cancels it, now or at the end of the month, and resumes it before."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Account, AuditEntry, Customer, Invoice, LedgerEntry, Organization, Subscription
from orders.models import OutboxEvent
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import renew_subscription
from tests.factories import actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import SUBSCRIPTION

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def subscribed(checkout: Checkout, ada: Caller, acme: str) -> str:
    """Acme is active on plan m, and the balance is 21.000."""
    give_credit(Customer.objects.get(user_id="ada"), 30_000)
    assert checkout().status == 200
    Organization.objects.filter(id=acme).update(status="active")
    return acme


def cancel(caller: Caller, tenant: str, at: Any) -> Answer:
    return caller.post(f"billing/subscription/{tenant}/cancel", {"at": at})


def resume(caller: Caller, tenant: str) -> Answer:
    return caller.post(f"billing/subscription/{tenant}/resume")


def run_renewals(days: int) -> None:
    moment = timezone.now() + timedelta(days=days)
    for due in find_due_subscriptions(now=moment):
        renew_subscription(subscription_id=due, by=actor(), now=moment)


def state(caller: Caller, tenant: str) -> tuple[str, str, bool]:
    found = caller.get(f"billing/subscription/{tenant}").body
    status = caller.get(f"tenant/orgs/{tenant}").body["status"]
    return found["status"], status, found["cancel_at_period_end"]


def test_cancelled_at_the_periods_end_it_runs_until_then(ada: Caller, subscribed: str, root: Caller) -> None:
    answer = cancel(ada, subscribed, "period_end")
    assert answer.status == 200
    assert_shape(answer.body, SUBSCRIPTION)
    assert (answer.body["status"], answer.body["cancel_at_period_end"]) == ("active", True)
    assert state(ada, subscribed) == ("active", "active", True)
    assert root.get("billing/admin/revenue").body["total_mrr_minor"] == 9_000
    with nothing_changes():
        assert cancel(ada, subscribed, "period_end").body == answer.body
        run_renewals(27)
    run_renewals(32)
    assert state(ada, subscribed) == ("canceled", "suspended", True)
    assert Account.objects.get(customer__user_id="ada").balance_minor == 21_000
    assert [invoice["status"] for invoice in ada.get(f"billing/invoices/{subscribed}").body] == ["paid"]
    assert OutboxEvent.objects.filter(type="subscription.canceled").count() == 1
    assert root.get("billing/admin/revenue").body["active_subscriptions"] == 0
    run_renewals(70)
    assert Account.objects.get(customer__user_id="ada").balance_minor == 21_000


def test_a_resumed_subscription_is_renewed(ada: Caller, subscribed: str) -> None:
    cancel(ada, subscribed, "period_end")
    answer = resume(ada, subscribed)
    assert_shape(answer.body, SUBSCRIPTION)
    assert (answer.status, answer.body["cancel_at_period_end"]) == (200, False)
    with nothing_changes():
        assert resume(ada, subscribed).body == answer.body
    run_renewals(32)
    assert state(ada, subscribed) == ("active", "active", False)
    assert Account.objects.get(customer__user_id="ada").balance_minor == 12_000
    assert list(
        AuditEntry.objects.filter(object_type="subscription").values_list("action", flat=True).order_by("id")
    ) == [
        "subscription.cancel_scheduled",
        "subscription.resumed",
    ]


def test_cancelled_now_it_ends_without_credit_for_the_rest(ada: Caller, subscribed: str) -> None:
    entries = LedgerEntry.objects.count()
    answer = cancel(ada, subscribed, "now")
    assert (answer.status, answer.body["status"]) == (200, "canceled")
    assert answer.body["canceled_at"] is not None
    assert state(ada, subscribed)[:2] == ("canceled", "suspended")
    assert LedgerEntry.objects.count() == entries
    with nothing_changes():
        assert cancel(ada, subscribed, "now").body == answer.body
        assert_refused(cancel(ada, subscribed, "period_end"), 409, "subscription_ended")
        assert_refused(resume(ada, subscribed), 409, "subscription_ended")


def test_the_next_order_makes_a_suspended_organization_active(
    ada: Caller, subscribed: str, checkout: Checkout
) -> None:
    cancel(ada, subscribed, "now")
    assert checkout().status == 200
    assert state(ada, subscribed) == ("active", "active", False)


def test_a_change_of_plan_ends_a_cancellation(ada: Caller, subscribed: str, checkout: Checkout) -> None:
    cancel(ada, subscribed, "period_end")
    assert checkout(plan_id="s").status == 200
    assert state(ada, subscribed) == ("active", "active", False)


def test_an_unpaid_month_ends_at_once_either_way(ada: Caller, subscribed: str) -> None:
    Subscription.objects.update(amount_minor=50_000)
    run_renewals(32)
    assert state(ada, subscribed)[0] == "past_due"
    Subscription.objects.update(
        current_period_start=timezone.now() - timedelta(days=40),
        current_period_end=timezone.now() - timedelta(days=9),
    )
    assert cancel(ada, subscribed, "period_end").body["status"] == "canceled"
    assert list(Invoice.objects.order_by("period_start").values_list("status", flat=True)) == ["paid", "void"]


@pytest.mark.parametrize("path", ["cancel", "resume"])
def test_another_customers_and_an_unknown_subscription_are_not_found(
    ada: Caller, bob: Caller, subscribed: str, bobs: str, path: str
) -> None:
    with nothing_changes():
        for caller, tenant in ((bob, subscribed), (bob, bobs), (ada, "nonsense")):
            answer = caller.post(f"billing/subscription/{tenant}/{path}", {"at": "now"})
            assert_refused(answer, 404, "subscription_not_found")


@pytest.mark.parametrize("at", [None, "", "never", 5, ["now"]])
def test_when_must_be_one_of_two_words(ada: Caller, subscribed: str, at: Any) -> None:
    with nothing_changes():
        answer = cancel(ada, subscribed, at)
        assert_refused(answer, 400, "invalid_request", "at: ")
        assert list(answer.body["fields"]) == ["at"]
