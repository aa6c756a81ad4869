"""The worker's renewal jobs: one job for each subscription that is due, which may run twice, in parallel, or fail."""

from datetime import timedelta
from functools import partial
from unittest.mock import patch

import pytest
from django.utils import timezone
from pytest_django import Settings

from billing.models import Customer, Organization, Subscription
from orders import tasks
from orders.models import Order
from tests.concurrency.threads import race
from tests.factories import OrganizationFactory, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import balance_and_held, event_data, queued_jobs, renewal_orders
from tests.snapshot import nothing_changes

AGO = timedelta(days=40)


@pytest.fixture(autouse=True)
def no_processor(settings: Settings) -> None:
    """Runs these tests without a card processor, even if the environment configures one."""
    settings.INITIAL_STRIPE_SECRET_KEY = ""


@pytest.fixture
def due(ada: Customer, acme: Organization, buy: Buy) -> list[str]:
    """Two subscriptions of one customer whose months are over, the longest due first, and credit for both."""
    give_credit(ada, 36_000)
    other = OrganizationFactory.create(customer=ada)
    buy("m", now=timezone.now() - AGO)
    buy("m", tenant=other, now=timezone.now() - AGO + timedelta(hours=1))
    return [str(each) for each in Subscription.objects.order_by("current_period_end").values_list("id", flat=True)]


def queued() -> list[str]:
    return [job["subscription_id"] for job in queued_jobs("renew_subscription")]


def test_repeated_searches_make_one_job_for_each_due_subscription(due: list[str]) -> None:
    tasks.renew_due_subscriptions(timestamp=0)
    assert queued() == due
    with nothing_changes():
        tasks.renew_due_subscriptions(timestamp=1)


def test_concurrent_searches_make_one_job_for_each_due_subscription(due: list[str]) -> None:
    race([lambda: tasks.renew_due_subscriptions(timestamp=0)] * 6)
    assert sorted(queued()) == sorted(due)


def test_concurrent_jobs_renew_each_subscription_once(due: list[str]) -> None:
    race([partial(tasks.renew, subscription_id=each) for each in due * 4])
    assert [order.status for order in renewal_orders()] == ["completed"] * 2
    assert (balance_and_held(), len(event_data("subscription.renewed"))) == ((0, 0), 2)
    with nothing_changes():
        for each in due:
            tasks.renew(subscription_id=each)


def test_a_failing_renewal_is_rolled_back_and_does_not_delay_others(due: list[str]) -> None:
    with patch(
        "orders.use_cases.subscriptions.renew_subscription.complete_renewal", side_effect=RuntimeError("broken")
    ):
        with nothing_changes(), pytest.raises(RuntimeError, match="broken"):
            tasks.renew(subscription_id=due[0])
    tasks.renew(subscription_id=due[1])
    assert [str(order.renews_id) for order in renewal_orders()] == [due[1]]
    tasks.renew(subscription_id=due[0])
    assert Order.objects.filter(status=Order.Status.COMPLETED).count() == 4
