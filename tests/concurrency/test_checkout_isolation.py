"""One customer cannot slow down or fail the checkouts of others: the batch places theirs without that one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.database.group_commit import MAX_BATCH
from billing.errors import IdempotencyMismatch
from billing.models import Organization
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.errors import PaymentInProgress, PaymentProcessorNotConfigured
from orders.models import Order, Plan
from orders.use_cases.checkout.batched_checkout import NewOrder, PlacedOrder, place_batch
from orders.use_cases.checkout.checkout_context import priced_before
from orders.use_cases.checkout.new_order import order_parameters
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import PromoAlreadyRedeemed
from promos.models import PromoCode
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.batched_checkouts import PRICE_MINOR, assert_orders, priced_plans, start_behind_leader
from tests.concurrency.batched_redemptions import LOCKED_ACCOUNT
from tests.concurrency.hold_batches import CHECKOUTS, record_batches, request_of
from tests.concurrency.threads import Race
from tests.concurrency.wait_for import other_connection, wait_for_waiters, wait_until
from tests.factories import OrganizationFactory, PromoCodeFactory, acting
from tests.faults.scenarios import open_payment_of

pytestmark = pytest.mark.django_db(transaction=True)

OTHERS = MAX_BATCH - 1
# Credit does not cover this plan.
DEAR_MINOR = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Troublemaker:
    """A customer's checkout that no batch can place; `twin` is a second one that is sent at the same moment."""

    request: CheckoutRequest
    ends: type[object]
    twin: bool = False
    locked: bool = False
    before: Sequence[PlacedOrder] = field(default=())


Make = Callable[[Organization, Plan, Plan, PromoCode], Troublemaker]


def reused_key(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    """The key has the answer of an order of the customer's other organization."""
    earlier = OrganizationFactory.create(customer=organization.customer)
    placed = place_order(
        request=request_of(earlier, plan, PromoCodeFactory.create().code, key="k"), by=acting(organization.customer)
    )
    request = CheckoutRequest(
        tenant_id=organization.id,
        plan=plan.slug,
        promo_code=promo_code.code,
        idempotency_key="k",
        fingerprint="another body",
    )
    return Troublemaker(request=request, ends=IdempotencyMismatch, before=[placed])


def pending_order(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    open_payment_of(organization, plan)
    return Troublemaker(request=request_of(organization, plan, promo_code.code), ends=PaymentInProgress)


def redeemed_already(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    redeem(code=promo_code.code, user_id=organization.customer.user_id, by=acting(organization.customer))
    return Troublemaker(request=request_of(organization, plan, promo_code.code), ends=PromoAlreadyRedeemed)


def too_little_credit(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    return Troublemaker(request=request_of(organization, dear, promo_code.code), ends=PaymentProcessorNotConfigured)


def sent_twice(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    return Troublemaker(request=request_of(organization, plan, promo_code.code, key="k"), ends=PlacedOrder, twin=True)


def locked_account(organization: Organization, plan: Plan, dear: Plan, promo_code: PromoCode) -> Troublemaker:
    return Troublemaker(request=request_of(organization, plan, promo_code.code), ends=PlacedOrder, locked=True)


each_trouble = pytest.mark.parametrize(
    "make",
    [reused_key, pending_order, redeemed_already, too_little_credit, sent_twice, locked_account],
    ids=lambda make: make.__name__,
)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])


def new_order(request: CheckoutRequest, organization: Organization) -> NewOrder:
    priced = priced_before(request)
    assert priced is not None
    parameters = order_parameters(request, basket=priced.basket, by=acting(organization.customer), now=timezone.now())
    return NewOrder.of({**parameters, "catalog": priced.catalog})


@dataclass(frozen=True, slots=True)
class Crowd:
    """31 customers and one more, who redeem the same code in a checkout at the same moment."""

    promo_code: PromoCode
    others: Sequence[Organization]
    one: Organization
    trouble: Troublemaker
    requests: Sequence[tuple[CheckoutRequest, Organization]]

    @classmethod
    def of(cls, make: Make, *, hot: bool) -> "Crowd":
        plan, dear = priced_plans(PRICE_MINOR, DEAR_MINOR)
        promo_code = PromoCodeFactory.create(max_redemptions=100, hot=hot)
        one = OrganizationFactory.create()
        trouble = make(one, plan, dear, promo_code)
        others = OrganizationFactory.create_batch(OTHERS - 1 if trouble.twin else OTHERS)
        requests = [(request_of(each, plan, promo_code.code, key="k"), each) for each in others]
        middle = len(requests) // 2
        requests[middle:middle] = [(trouble.request, one)] * (2 if trouble.twin else 1)
        assert len(requests) == MAX_BATCH
        return cls(promo_code, others, one, trouble, requests)


@contextmanager
def locked_where_needed(crowd: Crowd) -> Iterator[Callable[[], None]]:
    """The one customer's account is locked by another transaction, until the function is called."""
    with other_connection() as other:
        if crowd.trouble.locked:
            other.execute(LOCKED_ACCOUNT.encode(), [crowd.one.customer.pk])
        yield other.rollback


def assert_others_placed(crowd: Crowd, outcomes: Sequence[object]) -> None:
    assert [type(outcome) for outcome in outcomes] == [PlacedOrder] * len(crowd.others)
    assert_orders(crowd.others, outcomes)


@each_trouble
@either_code
def test_one_statement_places_all_the_others(make: Make, hot: bool) -> None:
    crowd = Crowd.of(make, hot=hot)
    batch = [new_order(request, organization) for request, organization in crowd.requests]
    with locked_where_needed(crowd), CaptureQueriesContext(connection) as statements:
        results = place_batch(batch)
    assert len(statements) == 1
    of_others = [result for result, (_, each) in zip(results, crowd.requests, strict=True) if each.pk != crowd.one.pk]
    of_one = [result for result, (_, each) in zip(results, crowd.requests, strict=True) if each.pk == crowd.one.pk]
    assert_others_placed(crowd, of_others)
    # Of a request that was sent twice, the batch places one; of each other kind of trouble, none.
    assert sorted(result is not None for result in of_one) == ([False, True] if crowd.trouble.twin else [False])
    placed = len(crowd.others) + (1 if crowd.trouble.twin else 0)
    assert Order.objects.filter(promo_code_id=crowd.promo_code.id).count() == placed


@each_trouble
@either_code
def test_all_the_others_are_placed_by_the_batch_and_the_one_gets_its_own_answer(make: Make, hot: bool) -> None:
    crowd = Crowd.of(make, hot=hot)
    calls = [
        partial(place_order, request=request, by=acting(organization.customer))
        for request, organization in crowd.requests
    ]
    with locked_where_needed(crowd) as unlock, record_batches(CHECKOUTS) as batches:
        with start_behind_leader(calls) as (leader, under_way):
            if crowd.trouble.locked:
                leader.release()
                wait_until(lambda: orders_of_others(crowd) == len(crowd.others), "orders of the others")
                wait_for_waiters(1)
                assert not under_way.done
                assert not Order.objects.filter(organization=crowd.one).exists()
                unlock()
    of_others, of_one = split(crowd, under_way)
    assert_others_placed(crowd, of_others)
    assert [type(outcome) for outcome in of_one] == [crowd.trouble.ends] * len(of_one)
    # The first batch is of all, and only the one's requests are left to go on alone.
    assert [len(batch) for batch in batches] == [MAX_BATCH]
    served = len(crowd.others) + (1 if crowd.trouble.twin else 0)
    assert batches[0].count(True) == served
    if crowd.trouble.twin:
        assert len({outcome.order_id for outcome in of_one if isinstance(outcome, PlacedOrder)}) == 1
        assert sorted(outcome.replayed for outcome in of_one if isinstance(outcome, PlacedOrder)) == [False, True]
    assert verify_ledger().sound
    assert verify_redemptions() is None


def orders_of_others(crowd: Crowd) -> int:
    return Order.objects.filter(organization__in=[each.pk for each in crowd.others], status="completed").count()


def split(crowd: Crowd, under_way: Race[PlacedOrder]) -> tuple[list[object], list[object]]:
    """The outcomes of the others, and of the one."""
    pairs = list(zip(under_way.outcomes, crowd.requests, strict=True))
    others: list[object] = [outcome for outcome, (_, each) in pairs if each.pk != crowd.one.pk]
    one: list[object] = [outcome for outcome, (_, each) in pairs if each.pk == crowd.one.pk]
    return others, one
