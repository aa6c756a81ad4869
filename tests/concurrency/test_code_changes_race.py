"""A code is changed, paused, retired and released while others redeem it: its count stays true and its cap holds."""

import random
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Sum

from billing.actor import CUSTOMER
from billing.models import Account, Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import (
    CapBelowUsed,
    LiveCodeNotFound,
    PromoAlreadyRedeemed,
    PromoChanged,
    PromoExhausted,
    PromoInactive,
    PromoNotFound,
    RedemptionNotReserved,
)
from promos.models import PromoCode, PromoCounter, Redemption
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import confirm, redeem, release, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup, race
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor

CREDIT_MINOR = 1_000
SHOPPERS = 8
CUSTOMERS_PER_SHOPPER = 12
MAX_NEW_CUSTOMERS = 1_000
LARGE_CAP = 100_000

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

# The number of live redemptions above the cap, from one snapshot.
_OVER_THE_CAP = """
SELECT count(*) - code.max_redemptions FROM promos_redemption AS redemption
  JOIN promos_promocode AS code ON code.id = redemption.promo_code_id
 WHERE redemption.status IN ('reserved', 'confirmed') AND code.max_redemptions > 0
 GROUP BY code.id HAVING count(*) > code.max_redemptions
"""


def redeem_as(customer: Customer, code: str) -> Redemption:
    return redeem(code=code, user_id=customer.user_id, by=acting(customer))


def redeem_all(customers: list[Customer], code: str, finished: list[str]) -> int:
    """Redeem the code once for each customer; return the number of successes."""
    redeemed = 0
    try:
        for customer in customers:
            try:
                redeem_as(customer, code)
                redeemed += 1
            except (PromoExhausted, PromoChanged, PromoInactive):
                continue
    finally:
        finished.append(code)
    return redeemed


def redeem_until_stopped(name: str, code: str) -> int:
    """Redeem for one new customer after another until the code is stopped; return the number of successes."""
    for redeemed in range(MAX_NEW_CUSTOMERS):
        newcomer = f"{name}-{redeemed}"
        try:
            redeem(code=code, user_id=newcomer, by=actor(CUSTOMER, user_id=newcomer))
        except (PromoChanged, PromoInactive, PromoNotFound):
            return redeemed
    raise AssertionError(f"{code} was not stopped")


def assert_count_is_true(code: str) -> int:
    """Assert that counters, live redemptions and credit agree; return the number of live redemptions."""
    assert verify_redemptions() is None
    assert verify_ledger().sound
    promo_code = PromoCode.objects.get(code=code)
    live = promo_code.redemptions.filter(status__in=["reserved", "confirmed"]).count()
    assert times_redeemed(promo_code) == live
    counted = promo_code.counters.aggregate(total=Sum("used"))["total"]
    assert counted == (live if promo_code.capped else None)
    return live


def shoppers() -> list[list[Customer]]:
    return [CustomerFactory.create_batch(CUSTOMERS_PER_SHOPPER) for _ in range(SHOPPERS)]


def test_the_cap_holds_while_it_is_lowered_raised_removed_and_split() -> None:
    PromoCodeFactory.create(code="MOVING", credit_minor=CREDIT_MINOR, max_redemptions=5)
    finished: list[str] = []
    steps = (1, 60, 0, 7, 96, 16, 0, 40)

    def move_cap() -> int:
        chance = random.Random(20_260_103)
        moved = 0
        while len(finished) < SHOPPERS or moved < len(steps):
            cap, hot = steps[moved % len(steps)], chance.random() < 0.5
            terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=hot)
            try:
                issue_code(code="MOVING", terms=terms, by=actor())
            except CapBelowUsed:
                assert cap > 0
            moved += 1
        return moved

    def watch() -> int:
        polls = 0
        while len(finished) < SHOPPERS:
            with connection.cursor() as cursor:
                cursor.execute(_OVER_THE_CAP)
                assert cursor.fetchall() == []
            polls += 1
        return polls

    calls: list[Callable[[], int]] = [partial(redeem_all, customers, "MOVING", finished) for customers in shoppers()]
    calls += [move_cap, watch]
    outcome = race(calls)

    *redeemed, moved, polls = outcome.values
    assert moved >= len(steps)
    assert polls > 0
    assert assert_count_is_true("MOVING") == sum(redeemed) > 0


@either_code
def test_a_cap_put_on_an_unlimited_code_counts_what_was_in_flight(hot: bool) -> None:
    with ThreadGroup(SHOPPERS + 1) as threads:
        for round_ in range(10):
            code = f"BOUNDED-{round_}"
            PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR)
            calls: list[Callable[[], object]] = [
                partial(redeem_all, CustomerFactory.create_batch(2), code, []) for _ in range(SHOPPERS)
            ]

            terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=SHOPPERS, hot=hot)
            calls.append(partial(issue_code, code=code, terms=terms, by=actor()))
            outcome = threads.race(calls)

            assert outcome.refusals.keys() <= {CapBelowUsed}
            live = assert_count_is_true(code)
            assert live == sum(value for value in outcome.values if isinstance(value, int))
            assert live == SHOPPERS if not outcome.refusals else live > SHOPPERS


@either_code
@pytest.mark.parametrize(("stop", "again"), [(pause_code, PromoInactive), (retire_code, PromoNotFound)])
def test_no_redemption_follows_once_a_code_is_stopped(
    stop: Callable[..., PromoCode], again: type[Exception], hot: bool
) -> None:
    for round_ in range(5):
        code = f"STOPPED-{round_}"
        PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR, max_redemptions=LARGE_CAP, hot=hot)

        def stop_and_count(code: str = code) -> int:
            stop(code=code, by=actor(), reason="enough")
            return Redemption.objects.filter(promo_code__code=code).count()

        calls: list[Callable[[], int]] = [
            partial(redeem_until_stopped, f"{code}-{number}", code) for number in range(SHOPPERS)
        ]
        calls.append(stop_and_count)
        outcome = race(calls)

        *redeemed, count_at_stop = outcome.values
        assert assert_count_is_true(code) == sum(redeemed) == count_at_stop
        with pytest.raises(again):
            redeem_as(CustomerFactory.create(), code)


def test_concurrent_pauses_and_resumes_keep_the_count_of_a_code_true() -> None:
    PromoCodeFactory.create(code="FLICKER", credit_minor=CREDIT_MINOR, max_redemptions=40)
    finished: list[str] = []

    def flicker() -> int:
        changes = 0
        while len(finished) < SHOPPERS:
            pause_code(code="FLICKER", by=actor())
            resume_code(code="FLICKER", by=actor())
            changes += 2
        return changes

    calls: list[Callable[[], int]] = [partial(redeem_all, customers, "FLICKER", finished) for customers in shoppers()]
    calls += [flicker, flicker]
    outcome = race(calls)

    assert assert_count_is_true("FLICKER") == sum(outcome.values[:SHOPPERS]) <= 40
    assert PromoCode.objects.get(code="FLICKER").active


def test_one_of_eight_threads_retires_a_code() -> None:
    PromoCodeFactory.create(code="GONE")
    outcome = race([partial(retire_code, code="GONE", by=actor())] * 8)
    assert (len(outcome.values), outcome.refusals) == (1, {LiveCodeNotFound: 7})


def test_eight_threads_create_one_code() -> None:
    terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=3, hot=True)
    outcome = race([partial(issue_code, code="NEW", terms=terms, by=actor())] * 8)
    assert len({promo_code.id for promo_code in outcome.values}) == 1
    assert list(PromoCounter.objects.values_list("quota", "used")) == [(1, 0)] * 3


@either_code
def test_a_customer_who_releases_a_slot_can_redeem_again(hot: bool) -> None:
    """Twelve threads hold at most one of twelve slots each, so every refusal as "exhausted" would be false."""
    threads, rounds = 12, 15
    PromoCodeFactory.create(code="TURNS", credit_minor=CREDIT_MINOR, max_redemptions=threads, hot=hot)
    customers = CustomerFactory.create_batch(threads)

    def take_turns(customer: Customer) -> int:
        for _ in range(rounds):
            redemption = redeem_as(customer, "TURNS")
            release(redemption=redemption, reason="another turn", by=actor())
        return rounds

    outcome = race([partial(take_turns, customer) for customer in customers])

    assert outcome.values == [rounds] * threads
    assert assert_count_is_true("TURNS") == 0
    assert Redemption.objects.filter(status="released").count() == threads * rounds
    assert LedgerEntry.objects.count() == 2 * threads * rounds
    assert set(Account.objects.values_list("balance_minor", flat=True)) == {0}


@either_code
def test_eight_threads_release_a_redemption_once(hot: bool) -> None:
    with ThreadGroup(8) as threads:
        for round_ in range(10):
            promo_code = PromoCodeFactory.create(code=f"BACK-{round_}", max_redemptions=2, hot=hot)
            keeper, giver = CustomerFactory.create_batch(2)
            redeem_as(keeper, promo_code.code)
            redemption = redeem_as(giver, promo_code.code)

            outcome = threads.race([partial(release, redemption=redemption, reason="twice", by=actor())] * 8)

            assert {released and released.status for released in outcome.values} == {"released"}
            assert assert_count_is_true(promo_code.code) == 1
            entries = LedgerEntry.objects.filter(redemption_id=redemption.id).order_by("version")
            assert [entry.amount_minor for entry in entries] == [10_000, -10_000]
            assert Account.objects.get(customer=giver).balance_minor == 0


def test_a_reservation_that_is_confirmed_and_released_at_once_ends_released() -> None:
    with ThreadGroup(8) as threads:
        for round_ in range(10):
            promo_code = PromoCodeFactory.create(code=f"HELD-{round_}", max_redemptions=1)
            customer = CustomerFactory.create()
            redemption = reserve(promo_code=promo_code, customer_id=customer.pk, order_id=uuid4())
            confirms: list[Callable[[], object]] = [partial(confirm, redemption=redemption, by=actor())]
            releases: list[Callable[[], object]] = [
                partial(release, redemption=redemption, reason="refused", by=actor())
            ]

            outcome = threads.race(confirms * 4 + releases * 4)

            assert outcome.refusals.keys() <= {RedemptionNotReserved}
            redemption.refresh_from_db()
            assert redemption.status == "released"
            assert assert_count_is_true(promo_code.code) == 0
            entries = LedgerEntry.objects.filter(redemption_id=redemption.id).order_by("version")
            assert [entry.amount_minor for entry in entries] in ([], [10_000, -10_000])
            redeem_as(customer, promo_code.code)
            with pytest.raises(PromoAlreadyRedeemed):
                redeem_as(customer, promo_code.code)
