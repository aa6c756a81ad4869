"""Each read of customers and staff costs one query, whatever the history."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.errors import SubscriptionNotFound
from billing.models import Customer, Organization, Subscription
from billing.queries import Balance, Revenue, balance_of, invoices_of, revenue, subscription_of
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import spend_credit
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    acting,
    give_credit,
)

pytestmark = pytest.mark.django_db(transaction=True)


def buy(organization: Organization, plan: str) -> None:
    place_order(request=CheckoutRequest(tenant_id=organization.id, plan=plan), by=acting(organization.customer))


@pytest.fixture
def ada() -> Customer:
    customer = CustomerFactory.create(user_id="ada")
    PlanFactory.create(slug="m", price_minor=9_000)
    PlanFactory.create(slug="l", price_minor=16_000)
    return customer


def test_balance_of_a_customer_never_seen_is_zero() -> None:
    assert balance_of(user_id="nobody") == Balance(credit_minor=0, held_minor=0, entries=())
    assert balance_of(user_id="nobody").available_minor == 0


def test_balance_of_a_customer_without_history_is_zero(ada: Customer) -> None:
    assert balance_of(user_id="ada") == Balance(credit_minor=0, held_minor=0, entries=())


def test_balance_shows_credit_held_and_entries_newest_first(ada: Customer) -> None:
    order_id = uuid4()
    give_credit(ada, 10_000)
    spend_credit(customer_id=ada.pk, amount_minor=2_500, order_id=order_id, by=acting(ada))
    hold_credit(customer_id=ada.pk, amount_minor=500, order_id=uuid4())
    found = balance_of(user_id="ada")
    assert (found.credit_minor, found.held_minor, found.available_minor) == (7_500, 500, 7_000)
    assert [(entry.amount_minor, entry.reason, entry.order_id) for entry in found.entries] == [
        (-2_500, "order-payment", order_id),
        (10_000, "adjustment", None),
    ]


def test_balance_is_one_query_at_one_entry_and_at_two_hundred(ada: Customer) -> None:
    give_credit(ada, 1)
    with CaptureQueriesContext(connection) as at_one:
        assert len(balance_of(user_id="ada").entries) == 1
    for amount_minor in range(2, 201):
        give_credit(ada, amount_minor)
    with CaptureQueriesContext(connection) as at_many:
        found = balance_of(user_id="ada")
    assert (len(at_one), len(at_many)) == (1, 1)
    assert found.credit_minor == sum(range(1, 201)) == 20_100
    assert [entry.amount_minor for entry in found.entries] == list(range(200, 180, -1))


def test_subscription_is_the_organizations_newest_or_the_callers(ada: Customer) -> None:
    give_credit(ada, 100_000)
    acme, other = (OrganizationFactory.create(customer=ada) for _ in range(2))
    buy(acme, "m")
    buy(acme, "l")
    buy(other, "m")
    assert subscription_of(user_id="ada", organization_id=acme.id).amount_minor == 16_000
    assert subscription_of(user_id="ada").organization_id == other.id


def test_subscription_of_another_customer_or_organization_is_not_found(ada: Customer) -> None:
    """The caller's role is checked earlier: members may read it, who do not pay for it."""
    give_credit(ada, 100_000)
    acme = OrganizationFactory.create(customer=ada)
    buy(acme, "m")
    other = OrganizationFactory.create(customer=ada)
    for owner, organization_id in (("bob", None), ("ada", other.id), ("ada", uuid4())):
        with pytest.raises(SubscriptionNotFound):
            subscription_of(user_id=owner, organization_id=organization_id)


def test_invoices_are_the_callers_newest_first(ada: Customer) -> None:
    give_credit(ada, 100_000)
    acme, other = (OrganizationFactory.create(customer=ada) for _ in range(2))
    buy(acme, "m")
    buy(other, "m")
    buy(acme, "l")
    assert [made.amount_minor for made in invoices_of(user_id="ada")] == [16_000, 9_000, 9_000]
    assert [made.amount_minor for made in invoices_of(user_id="ada", organization_id=acme.id)] == [16_000, 9_000]
    assert list(invoices_of(user_id="bob")) == []


def test_revenue_counts_every_active_subscription_and_the_customers_of_this_month(ada: Customer) -> None:
    give_credit(ada, 100_000)
    acme, other, gone = (OrganizationFactory.create(customer=ada) for _ in range(3))
    buy(acme, "m")
    buy(acme, "l")
    buy(other, "m")
    buy(gone, "m")
    delete_organization(organization_id=gone.id, by=acting(ada))
    Subscription.objects.filter(organization=other).update(status="past_due", past_due_since=timezone.now())
    CustomerFactory.create(user_id="bob")
    month = datetime(2026, 11, 1, tzinfo=UTC)
    Customer.objects.filter(user_id="ada").update(created_at=month)
    Customer.objects.filter(user_id="bob").update(created_at=month - timedelta(microseconds=1))
    with CaptureQueriesContext(connection) as queries:
        found = revenue(now=month + timedelta(days=29, hours=23))
    assert found == Revenue(mrr_minor=16_000, total_customers=2, new_this_month=1, active_subscriptions=1)
    assert len(queries) == 2


def test_revenue_of_nothing_is_zero() -> None:
    assert revenue(now=datetime(2026, 11, 23, tzinfo=UTC)) == Revenue(
        mrr_minor=0, total_customers=0, new_this_month=0, active_subscriptions=0
    )
