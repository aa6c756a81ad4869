"""One customer for a user, one owner for an address, one live subscription for an organization."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from uuid import UUID

import pytest

from billing.errors import Busy, DomainError, OrganizationNotFound, SlugTaken
from billing.models import Account, Customer, Invoice, LedgerEntry, Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.organizations.create_organization import create_organization
from orders.errors import AlreadySubscribed, OrderStale
from orders.models import Order, OutboxEvent, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.provision_organization import provision_organization
from tests.concurrency.threads import ThreadGroup, race
from tests.factories import CustomerFactory, OrganizationFactory, PlanFactory, acting, give_credit

PRICE_MINOR = 9_000
ROUNDS = 10

pytestmark = pytest.mark.django_db(transaction=True)


def check_out(organization: Organization, plan: Plan) -> PlacedOrder:
    return place_order(
        request=CheckoutRequest(tenant_id=organization.id, plan=plan.slug), by=acting(organization.customer)
    )


def organization_with(credit_minor: int) -> Organization:
    organization = OrganizationFactory.create()
    give_credit(organization.customer, credit_minor)
    return organization


def assert_every_order_is_whole(organization: Organization, placed: list[PlacedOrder], credit_minor: int) -> None:
    """Assert that each placed order exists with one payment, one event and one invoice, and no others exist.

    Each order but the last was replaced, and the rest of its month credited: all of it but seconds.
    """
    orders = Order.objects.filter(organization=organization)
    assert {order.id for order in orders} == {each.order_id for each in placed}
    for order in orders:
        assert LedgerEntry.objects.get(order_id=order.id, kind="spend").amount_minor == -order.total_minor
        assert Subscription.objects.filter(order_id=order.id).count() == 1
        assert Invoice.objects.get(order_id=order.id).amount_minor == order.total_minor
        assert OutboxEvent.objects.filter(order_id=order.id, type="order.placed").count() == 1
    spent = sum(order.total_minor for order in orders)
    entries = LedgerEntry.objects.filter(account_id=organization.customer_id).order_by("version")
    spends = [entry for entry in entries if entry.kind == "spend"]
    credited = [(entry.reason, entry.order_id) for entry in entries if entry.kind == "grant"]
    bought: dict[UUID | None, UUID] = {
        each.order_id: each.id for each in Subscription.objects.filter(organization=organization)
    }
    assert credited == [(f"proration:{bought[old.order_id]}", new.order_id) for old, new in pairwise(spends)]
    amounts = [entry.amount_minor for entry in entries if entry.kind == "grant"]
    assert set(amounts) <= {PRICE_MINOR - 1, PRICE_MINOR}
    balance_minor = Account.objects.get(customer=organization.customer).balance_minor
    assert balance_minor == credit_minor - spent + sum(amounts)


def live_subscriptions(organization: Organization) -> list[Subscription]:
    return list(Subscription.objects.filter(organization=organization).exclude(status__in=ENDED_STATUSES))


def test_the_same_basket_for_one_organization_is_bought_once() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    with ThreadGroup(12) as threads:
        for _ in range(ROUNDS):
            organization = organization_with(12 * PRICE_MINOR)

            outcome = threads.race([partial(check_out, organization, plan)] * 12)

            assert outcome.refusals == {AlreadySubscribed: 11}
            assert_every_order_is_whole(organization, outcome.values, 12 * PRICE_MINOR)
            assert [live.order_id for live in live_subscriptions(organization)] == [outcome.values[0].order_id]
    assert verify_ledger().sound


@pytest.mark.parametrize("shoppers", [3, 12])
def test_different_baskets_for_one_organization_leave_one_live_subscription(shoppers: int) -> None:
    plans = PlanFactory.create_batch(shoppers, price_minor=PRICE_MINOR)
    with ThreadGroup(shoppers) as threads:
        for _ in range(ROUNDS):
            organization = organization_with(shoppers * PRICE_MINOR)

            outcome = threads.race([partial(check_out, organization, plan) for plan in plans])

            # A checkout is refused as busy after three changes of its organization; with three shoppers none is.
            assert outcome.refusals.keys() <= {Busy}
            assert len(outcome.values) >= 3
            assert_every_order_is_whole(organization, outcome.values, shoppers * PRICE_MINOR)
            [live] = live_subscriptions(organization)
            assert live.status == Subscription.Status.ACTIVE
            last_spend = LedgerEntry.objects.filter(account_id=organization.customer_id).latest("version")
            assert live.order_id == last_spend.order_id
            organization.refresh_from_db()
            assert organization.plan_id == live.plan_id
    assert verify_ledger().sound


def test_concurrent_first_requests_of_one_user_make_one_customer() -> None:
    with ThreadGroup(8) as threads:
        for round_ in range(ROUNDS):
            call = partial(ensure_customer, user_id=f"newcomer-{round_}", email="new@example.org")

            outcome = threads.race([call] * 8)

            assert {customer.pk for customer in outcome.values} == {
                Customer.objects.get(user_id=f"newcomer-{round_}").pk
            }
    assert Customer.objects.count() == Account.objects.count() == ROUNDS


def test_concurrent_first_organizations_of_one_user_make_one_customer() -> None:
    calls: list[Callable[[], Organization]] = [
        partial(create_organization, user_id="newcomer", email="new@example.org", slug=f"shop-{number}", name="Shop")
        for number in range(8)
    ]
    outcome = race(calls)
    customer = Customer.objects.get()
    assert [organization.customer_id for organization in outcome.values] == [customer.pk] * 8
    assert Account.objects.get().customer_id == customer.pk


def test_one_of_eight_owners_gets_an_address() -> None:
    with ThreadGroup(8) as threads:
        for round_ in range(ROUNDS):
            calls = [
                partial(create_organization, user_id=f"owner-{number}", email="", slug=f"shop-{round_}", name="Shop")
                for number in range(8)
            ]

            outcome = threads.race(calls)

            assert outcome.refusals == {SlugTaken: 7}
            [winner] = outcome.values
            assert Organization.objects.get(slug=f"shop-{round_}").id == winner.id


def test_eight_runs_of_the_job_write_one_event() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            organization = organization_with(PRICE_MINOR)
            placed = check_out(organization, plan)

            outcome = threads.race([partial(provision_organization, order_id=placed.order_id)] * 8)

            assert [each.status for each in outcome.values] == ["active"] * 8
            events = OutboxEvent.objects.filter(tenant_id=organization.id).order_by("type")
            assert [event.type for event in events] == ["order.placed", "tenant.created"]


def test_a_deleted_organization_is_not_activated() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            organization = organization_with(PRICE_MINOR)
            placed = check_out(organization, plan)
            provisions: list[Callable[[], Organization]] = [partial(provision_organization, order_id=placed.order_id)]
            deletions: list[Callable[[], Organization]] = [
                partial(delete_organization, organization_id=organization.id, by=acting(organization.customer))
            ]

            assert threads.race(provisions * 4 + deletions * 4).refusals == {}

            organization.refresh_from_db()
            assert organization.status == Organization.Status.DELETED
            assert live_subscriptions(organization) == []
            types = [event.type for event in OutboxEvent.objects.filter(tenant_id=organization.id).order_by("id")]
            assert types in (
                ["order.placed", "tenant.created", "tenant.deleted"],
                ["order.placed", "tenant.deleted"],
            )


def test_a_checkout_and_a_deletion_of_one_organization_are_serialized() -> None:
    plans = PlanFactory.create_batch(3, price_minor=PRICE_MINOR)
    known: set[type[DomainError]] = {OrganizationNotFound, Busy, OrderStale}
    with ThreadGroup(4) as threads:
        for _ in range(2 * ROUNDS):
            organization = organization_with(3 * PRICE_MINOR)
            calls: list[Callable[[], object]] = [partial(check_out, organization, plan) for plan in plans]
            calls.append(
                partial(delete_organization, organization_id=organization.id, by=acting(organization.customer))
            )

            outcome = threads.race(calls)

            assert outcome.refusals.keys() <= known
            placed = [value for value in outcome.values if isinstance(value, PlacedOrder)]
            assert_every_order_is_whole(organization, placed, 3 * PRICE_MINOR)
            organization.refresh_from_db()
            assert organization.status == Organization.Status.DELETED
            assert live_subscriptions(organization) == []
            assert OutboxEvent.objects.filter(tenant_id=organization.id, type="tenant.deleted").count() == 1
    assert verify_ledger().sound


def test_customers_of_one_plan_do_not_wait_for_each_other() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    customers = CustomerFactory.create_batch(12)
    for customer in customers:
        give_credit(customer, PRICE_MINOR)
    organizations = [OrganizationFactory.create(customer=customer) for customer in customers]

    outcome = race([partial(check_out, organization, plan) for organization in organizations])

    assert (len(outcome.values), outcome.refusals) == (12, {})
    assert Organization.objects.filter(status="provisioning").count() == 12
