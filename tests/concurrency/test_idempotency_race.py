"""An idempotency key makes one order and one answer, however many requests use it at once."""

from functools import partial

import pytest
from django.db import connection

from billing.errors import Busy, IdempotencyMismatch, RequestInProgress
from billing.models import Account, Customer, IdempotencyKey, LedgerEntry, Organization, Subscription
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Order, OutboxEvent
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.models import Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup, in_background, race
from tests.concurrency.wait_for import Other, other_connection, wait_for_waiters
from tests.factories import (
    AddOnFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
)
from tests.snapshot import nothing_changes

POSTS = 16
PRICE_MINOR = 9_000

pytestmark = pytest.mark.django_db(transaction=True)


def post(organization: Organization, request: CheckoutRequest) -> PlacedOrder:
    return place_order(request=request, by=acting(organization.customer))


def organization_with(credit_minor: int) -> Organization:
    organization = OrganizationFactory.create()
    if credit_minor:
        give_credit(organization.customer, credit_minor)
    return organization


def assert_one_order(organization: Organization, *, balance_minor: int) -> Order:
    """Assert that the organization has one order, with each of its records once."""
    order = Order.objects.get(organization=organization)
    assert LedgerEntry.objects.get(order_id=order.id, kind="spend").amount_minor == -order.total_minor
    assert Subscription.objects.get(organization=organization).order_id == order.id
    assert OutboxEvent.objects.get(tenant_id=organization.id).order_id == order.id
    assert IdempotencyKey.objects.get(customer=organization.customer).result_id == order.id
    assert jobs_of(organization) == 1
    assert Account.objects.get(customer=organization.customer).balance_minor == balance_minor
    assert verify_ledger().sound
    assert verify_redemptions() is None
    return order


def jobs_of(organization: Organization) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE lock = %s", [f"organization:{organization.id}"])
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("voucher", ["", "ordinary", "hot"])
def test_sixteen_posts_under_one_key_make_one_order_with_one_answer(voucher: str) -> None:
    PlanFactory.create(slug="small", price_minor=PRICE_MINOR)
    with ThreadGroup(POSTS) as threads:
        for round_ in range(5):
            organization = organization_with(0 if voucher else 2 * PRICE_MINOR)
            promo_code = f"ROUND-{round_}" if voucher else ""
            if voucher:
                PromoCodeFactory.create(
                    code=promo_code, credit_minor=2 * PRICE_MINOR, max_redemptions=20, hot=voucher == "hot"
                )
            request = CheckoutRequest(
                tenant_id=organization.id,
                plan="small",
                promo_code=promo_code,
                idempotency_key="one-and-the-same",
                fingerprint="f" * 64,
            )

            outcome = threads.race([partial(post, organization, request)] * POSTS)

            assert outcome.refusals == {}
            order = assert_one_order(organization, balance_minor=PRICE_MINOR)
            answers = {(placed.order_id, placed.balance_minor) for placed in outcome.values}
            assert answers == {(order.id, PRICE_MINOR)}
            assert [placed.replayed for placed in outcome.values].count(False) == 1
            assert Redemption.objects.filter(order_id=order.id).count() == (1 if voucher else 0)


def test_sixteen_different_requests_under_one_key_make_one_order() -> None:
    plans = PlanFactory.create_batch(POSTS, price_minor=PRICE_MINOR)
    with ThreadGroup(POSTS) as threads:
        for _ in range(5):
            organization = organization_with(POSTS * PRICE_MINOR)
            requests = [
                CheckoutRequest(tenant_id=organization.id, plan=plan.slug, idempotency_key="k", fingerprint=plan.slug)
                for plan in plans
            ]

            outcome = threads.race([partial(post, organization, request) for request in requests])

            assert outcome.refusals == {IdempotencyMismatch: POSTS - 1}
            order = assert_one_order(organization, balance_minor=(POSTS - 1) * PRICE_MINOR)
            assert [placed.order_id for placed in outcome.values] == [order.id]


def test_one_key_of_sixteen_customers_makes_sixteen_orders() -> None:
    PlanFactory.create(slug="small", price_minor=PRICE_MINOR)
    organizations = [organization_with(PRICE_MINOR) for _ in range(POSTS)]
    requests = [
        CheckoutRequest(tenant_id=organization.id, plan="small", idempotency_key="k", fingerprint="f")
        for organization in organizations
    ]

    outcome = race([partial(post, *pair) for pair in zip(organizations, requests, strict=True)])

    assert len({placed.order_id for placed in outcome.values}) == POSTS
    assert [placed.replayed for placed in outcome.values] == [False] * POSTS
    assert Order.objects.count() == POSTS


def post_impatiently(organization: Organization, request: CheckoutRequest) -> PlacedOrder:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '150ms'")
    return post(organization, request)


def lock_account_elsewhere(other: Other, customer: Customer) -> None:
    other.execute("SELECT FROM billing_account WHERE customer_id = %s FOR NO KEY UPDATE", [customer.pk])


@pytest.mark.parametrize(("key", "refusal"), [("k", RequestInProgress), ("", Busy)])
def test_a_request_gives_up_if_its_twin_takes_too_long(
    key: str, refusal: type[RequestInProgress] | type[Busy]
) -> None:
    PlanFactory.create(slug="small", price_minor=PRICE_MINOR)
    AddOnFactory.create()
    organization = organization_with(PRICE_MINOR)
    request = CheckoutRequest(
        tenant_id=organization.id, plan="small", idempotency_key=key, fingerprint="f" if key else ""
    )
    with other_connection() as other:
        lock_account_elsewhere(other, organization.customer)
        with nothing_changes():
            outcome = race([partial(post_impatiently, organization, request)])
        assert outcome.refusals == {refusal: 1}
        [refused] = outcome.outcomes
        assert isinstance(refused, refusal)
        assert refused.retry_after == 1

    assert post(organization, request).balance_minor == 0
    assert Order.objects.count() == 1


def test_a_request_waits_for_its_twin_and_returns_the_same_answer() -> None:
    PlanFactory.create(slug="small", price_minor=PRICE_MINOR)
    organization = organization_with(PRICE_MINOR)
    request = CheckoutRequest(tenant_id=organization.id, plan="small", idempotency_key="k", fingerprint="f")
    with other_connection() as other:
        lock_account_elsewhere(other, organization.customer)
        with ThreadGroup(2) as threads:
            twins = threads.start([partial(post, organization, request)] * 2)
            wait_for_waiters(2)
            other.rollback()
            first, second = twins.finish().values
    assert (first.order_id, first.balance_minor) == (second.order_id, second.balance_minor)
    assert {first.replayed, second.replayed} == {False, True}
    assert_one_order(organization, balance_minor=0)


def test_a_key_is_free_again_after_all_its_requests_were_refused() -> None:
    PlanFactory.create(slug="small", price_minor=PRICE_MINOR)
    organization = organization_with(PRICE_MINOR - 1)
    request = CheckoutRequest(tenant_id=organization.id, plan="small", idempotency_key="k", fingerprint="f")
    with nothing_changes():
        outcome = race([partial(post, organization, request)] * POSTS)
    assert outcome.values == []
    assert outcome.refusals.total() == POSTS

    give_credit(organization.customer, 1)

    with in_background(partial(post, organization, request)) as again:
        assert again.finish().values[0].replayed is False
    assert_one_order(organization, balance_minor=0)
