"""Checkouts that arrive together share a batch: each order is exact, and belongs to its own request."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import OperationalError, connection

from billing.errors import Busy, OutcomeUnknown, RequestInProgress
from billing.models import Account, LedgerEntry, Organization
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.errors import AlreadySubscribed, PaymentProcessorNotConfigured
from orders.models import Order
from orders.use_cases.checkout.place_order import PlacedOrder
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.models import Redemption
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.redeem_many import redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.batched_checkouts import (
    CREDIT_MINOR,
    PRICE_MINOR,
    THREADS,
    assert_code,
    assert_orders,
    buy,
    priced_plan,
    priced_plans,
    start_behind_leader,
)
from tests.concurrency.batched_redemptions import (
    LOCKED_COUNTERS,
    any_code,
    cut_waiting_batch,
    deadlocks,
    either_code,
    held,
    patient_batches,
    reporting,
)
from tests.concurrency.hold_batches import CHECKOUTS, block_leader, record_batches
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_for_waiters, wait_until
from tests.consistency import times_redeemed
from tests.factories import OrganizationFactory, PromoCodeFactory, acting, actor, give_credit
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)


@any_code
def test_checkouts_that_race_are_exactly_as_many_as_there_are_slots(cap: int, hot: bool) -> None:
    plan, due = priced_plan(), min(cap or 24, 24)
    with ThreadGroup(24) as crew, record_batches(CHECKOUTS) as batches:
        for _ in range(2):
            promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
            organizations = OrganizationFactory.create_batch(24)
            outcome = crew.race([partial(buy, organization, plan, promo_code.code) for organization in organizations])
            assert len(outcome.values) == due
            assert outcome.refusals == ({PromoExhausted: 24 - due} if due < 24 else {})
            assert {placed.balance_minor for placed in outcome.values} == {CREDIT_MINOR - PRICE_MINOR}
            assert_orders(organizations, outcome.outcomes)
            assert_code(promo_code, due)
    assert max(len(batch) for batch in batches) > 1


@any_code
def test_checkouts_that_wait_together_are_placed_by_one_statement(cap: int, hot: bool) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=cap, hot=hot)
    organizations = OrganizationFactory.create_batch(THREADS)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert batches == [[True] * THREADS]
    assert_orders(organizations, under_way.outcomes)
    assert_code(promo_code, THREADS)


def test_one_batch_has_checkouts_without_a_code_and_of_different_plans() -> None:
    plans = priced_plans(9_000, 16_000, 12_000)
    organizations = OrganizationFactory.create_batch(6)
    for organization in organizations:
        give_credit(organization.customer, 20_000)
    calls = [partial(buy, organization, plans[place % 3]) for place, organization in enumerate(organizations)]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert batches == [[True] * 6]
    assert [placed.balance_minor for placed in under_way.values] == [11_000, 4_000, 8_000] * 2
    assert list(Order.objects.order_by("id").values_list("promo_code", flat=True)) == [""] * 6
    assert not Redemption.objects.exists()
    assert_orders(organizations, under_way.outcomes)


def test_a_free_checkout_is_placed_outside_a_batch() -> None:
    [plan] = priced_plans(0)
    organization = OrganizationFactory.create()
    give_credit(organization.customer, 20_000)
    with record_batches(CHECKOUTS) as batches:
        placed = buy(organization, plan)
    assert (batches, placed.balance_minor, Order.objects.get().total_minor) == ([], 20_000, 0)


def test_twins_in_one_batch_have_one_order_and_one_answer() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    first, *others = OrganizationFactory.create_batch(4)
    twin = partial(buy, first, plan, promo_code.code, key="k")
    # Another customer's key of the same text is another key.
    calls = [twin, *(partial(buy, each, plan, promo_code.code, key="k") for each in others), twin, twin]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert batches[0].count(True) == 4
    twins = [placed for placed, call in zip(under_way.values, calls, strict=True) if call is twin]
    assert {(placed.order_id, placed.balance_minor) for placed in twins} == {(twins[0].order_id, 1_000)}
    assert sorted(placed.replayed for placed in twins) == [False, True, True]
    assert len({placed.order_id for placed in under_way.values}) == Order.objects.count() == 4
    assert_orders([first, *others], [twins[0], *(each for each in under_way.values if each not in twins)])
    assert_code(promo_code, 4)


def test_one_basket_twice_without_a_key_is_one_order_and_a_refusal() -> None:
    plan = priced_plan()
    organization = OrganizationFactory.create()
    give_credit(organization.customer, 5 * PRICE_MINOR)
    with start_behind_leader([partial(buy, organization, plan)] * 4) as (_, under_way):
        pass
    assert (len(under_way.values), under_way.refusals) == (1, {AlreadySubscribed: 3})
    assert_orders([organization], under_way.values)
    assert Account.objects.get().balance_minor == 4 * PRICE_MINOR


def test_two_organizations_of_one_customer_spend_the_credit_once() -> None:
    plan = priced_plan()
    first = OrganizationFactory.create()
    second, third = OrganizationFactory.create_batch(2, customer=first.customer)
    give_credit(first.customer, 2 * PRICE_MINOR)
    calls = [partial(buy, organization, plan) for organization in (first, second, third)]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    # A batch places one order of a customer; the others go on alone.
    assert sorted(batches[0]) == [False, False, True]
    assert (len(under_way.values), under_way.refusals) == (2, {PaymentProcessorNotConfigured: 1})
    assert Account.objects.get().balance_minor == 0
    assert Order.objects.count() == LedgerEntry.objects.filter(kind="spend").count() == 2
    assert verify_ledger().sound


def test_two_organizations_of_one_customer_redeem_a_code_once() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    first = OrganizationFactory.create()
    second = OrganizationFactory.create(customer=first.customer)
    others = OrganizationFactory.create_batch(3)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in (first, second, *others)]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert sorted(batches[0]) == [False, True, True, True, True]
    assert under_way.refusals == {PromoAlreadyRedeemed: 1}
    assert_code(promo_code, 4)
    assert verify_ledger().sound


def test_a_checkout_that_credit_does_not_cover_makes_no_other_one_fail() -> None:
    (plan, dear), promo_code = priced_plans(PRICE_MINOR, 50_000), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [
        partial(buy, organization, dear if place == 2 else plan, promo_code.code)
        for place, organization in enumerate(organizations)
    ]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert sorted(batches[0]) == [False] + [True] * 5
    assert under_way.refusals == {PaymentProcessorNotConfigured: 1}
    assert_orders(organizations, under_way.outcomes)
    assert_code(promo_code, 5)


@pytest.mark.parametrize(
    "row",
    [
        "SELECT FROM billing_account WHERE customer_id = {customer} FOR NO KEY UPDATE",
        "SELECT FROM billing_organization WHERE id = '{organization}' FOR NO KEY UPDATE",
    ],
    ids=["account", "organization"],
)
def test_a_customer_who_is_locked_elsewhere_does_not_hold_up_the_others(row: str) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    locked = row.format(customer=organizations[2].customer.pk, organization=organizations[2].id)
    with record_batches(CHECKOUTS) as batches, other_connection() as other:
        with start_behind_leader(calls) as (leader, under_way):
            other.execute(locked.encode())
            leader.release()
            wait_until(lambda: Order.objects.count() == 5, "orders of the others")
            wait_for_waiters(1)
            assert not under_way.done
            assert not Order.objects.filter(organization=organizations[2]).exists()
            other.rollback()
    assert sorted(batches[0]) == [False] + [True] * 5
    assert_orders(organizations, under_way.values)
    assert_code(promo_code, 6)


@either_code
def test_checkouts_beside_redemptions_lists_releases_and_cap_changes_cause_no_deadlock(hot: bool) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=60, hot=hot)
    organizations = OrganizationFactory.create_batch(30)
    users = [organization.customer.user_id for organization in organizations]
    redeem_first = [
        redeem(code=promo_code.code, user_id=each.customer.user_id, by=acting(each.customer))
        for each in organizations[:4]
    ]
    give = partial(redeem_many, code=promo_code.code, why="test", by=actor())
    change = Terms(credit_minor=CREDIT_MINOR, max_redemptions=70, hot=not hot)
    calls: list[Callable[[], object]] = [
        *(partial(buy, organization, plan, promo_code.code) for organization in organizations[4:20]),
        *(
            partial(redeem, code=promo_code.code, user_id=each.customer.user_id, by=acting(each.customer))
            for each in organizations[16:26]
        ),
        *(partial(release, redemption=each, reason="test", by=actor()) for each in redeem_first),
        partial(give, user_ids=users[10:30]),
        partial(give, user_ids=users[29:9:-1]),
        partial(issue_code, code=promo_code.code, terms=change, by=actor()),
    ]
    before = deadlocks()
    with ThreadGroup(len(calls)) as crew:
        outcome = crew.race([reporting(call) for call in calls])
    assert deadlocks() == before
    assert outcome.refusals.keys() <= {PromoAlreadyRedeemed}
    live = Redemption.objects.filter(promo_code=promo_code, status="confirmed").count()
    assert live == times_redeemed(promo_code) == 26
    orders = [result for result in outcome.outcomes[:16] if isinstance(result, PlacedOrder)]
    assert len({placed.order_id for placed in orders}) == Order.objects.count() == len(orders)
    assert verify_ledger().sound
    assert verify_redemptions() is None


@either_code
def test_a_batch_whose_connection_is_lost_leaves_nothing_and_the_same_again_is_whole(hot: bool) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=6, hot=hot)
    organizations = OrganizationFactory.create_batch(6)

    def outcome_of(organization: Organization) -> PlacedOrder | None:
        try:
            return buy(organization, plan, promo_code.code, key="k")
        except OutcomeUnknown as unknown:
            assert isinstance(unknown.__cause__, OperationalError)
            connection.close()
            return None

    calls = [partial(outcome_of, organization) for organization in organizations]
    with patient_batches("orders_place_orders"), ThreadGroup(6) as crew:
        with block_leader(CHECKOUTS) as leader:
            under_way = crew.start(calls)
            leader.wait_for(6)
            # The audit trail remembers that the outcomes were unknown.
            trail = only_changes("billing_auditentry")
            with trail, other_connection() as other, held(other, LOCKED_COUNTERS, promo_code.id):
                leader.release()
                wait_for_waiters(1)
                cut_waiting_batch()
                assert under_way.finish().values == [None] * 6
        again = crew.race(calls)
    assert_orders(organizations, again.values)
    assert_code(promo_code, 6)


@pytest.mark.parametrize(("key", "refusal"), [("k", RequestInProgress), ("", Busy)])
@pytest.mark.parametrize("number", [1, 3])
def test_a_counter_that_is_locked_for_long_is_answered_as_busy(
    number: int, key: str, refusal: type[RequestInProgress] | type[Busy]
) -> None:
    """In a batch of any size, and then alone."""
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(number)

    def buy_impatiently(organization: Organization) -> PlacedOrder:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        return buy(organization, plan, promo_code.code, key=key)

    with other_connection() as other, held(other, LOCKED_COUNTERS, promo_code.id), nothing_changes():
        with start_behind_leader([partial(buy_impatiently, each) for each in organizations]) as (_, under_way):
            pass
        assert (under_way.values, under_way.refusals) == ([], {refusal: number})
    assert buy(organizations[0], plan, promo_code.code, key=key).replayed is False
