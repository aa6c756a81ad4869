"""Bulk redemptions beside single ones, other bulk ones and releases: the cap is exact and no thread is stuck."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import transaction

from billing.models import LedgerEntry
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.redeem_many import Outcome, redeem_many
from tests.concurrency.redeem_in import redeem_in
from tests.concurrency.threads import ThreadGroup, in_background
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor

SINGLES = 12
CREDIT_MINOR = 10_000

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])


def give(promo_code: PromoCode, users: Sequence[str]) -> list[Outcome]:
    return redeem_many(code=promo_code.code, user_ids=users, why="test", by=actor())


def take(promo_code: PromoCode, user: str) -> list[Outcome]:
    """Redeem the code once, and return the result as a bulk redemption does."""
    refusal = None
    try:
        redemption = redeem(code=promo_code.code, user_id=user, by=actor("customer", user_id=user))
    except PromoExhausted:
        refusal = PromoExhausted
    return [Outcome(user_id=user, redemption_id=None if refusal else redemption.id, refusal=refusal)]


def result_codes(outcomes: Sequence[list[Outcome]]) -> list[str]:
    return [each.refusal.code if each.refusal else "redeemed" for results in outcomes for each in results]


def assert_exactly(promo_code: PromoCode, number: int) -> None:
    assert Redemption.objects.filter(promo_code=promo_code, status="confirmed").count() == number
    assert times_redeemed(promo_code.code) == number
    entries = LedgerEntry.objects.filter(reason=f"promo:{promo_code.code}")
    assert [entry.amount_minor for entry in entries] == [CREDIT_MINOR] * number
    assert ledger_and_redemptions_agree()


@either_code
@pytest.mark.parametrize("cap", [5, 20, 29])
def test_bulk_and_single_redemptions_take_exactly_the_cap(cap: int, hot: bool) -> None:
    customers = [customer.user_id for customer in CustomerFactory.create_batch(SINGLES)]
    listed = [f"listed-{number}" for number in range(10)]
    more = [f"more-{number}" for number in range(8)]
    with ThreadGroup(SINGLES + 2) as threads:
        for _ in range(8):
            promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
            calls: list[Callable[[], list[Outcome]]] = [
                partial(give, promo_code, listed),
                partial(give, promo_code, more),
                *(partial(take, promo_code, user) for user in customers),
            ]
            results = result_codes(threads.race(calls).values)
            assert (results.count("redeemed"), results.count("promo_exhausted")) == (cap, SINGLES + 18 - cap)
            assert_exactly(promo_code, cap)


@either_code
def test_overlapping_lists_in_opposite_orders_redeem_once_for_each_user(hot: bool) -> None:
    users = [f"user-{number:02}" for number in range(40)]
    lists = (users, users[::-1], users[20:] + users[:20], users[::2], users[:5])
    with ThreadGroup(len(lists)) as threads:
        for _ in range(6):
            promo_code = PromoCodeFactory.create(max_redemptions=50, hot=hot)
            results = result_codes(threads.race([partial(give, promo_code, each) for each in lists]).values)
            assert results.count("redeemed") == len(users)
            assert results.count("promo_already_redeemed") == sum(map(len, lists)) - len(users)
            assert_exactly(promo_code, len(users))


@either_code
def test_bulk_redemptions_of_two_codes_for_the_same_users_do_not_deadlock(hot: bool) -> None:
    users = [f"user-{number:02}" for number in range(30)]
    one, other = PromoCodeFactory.create_batch(2, max_redemptions=30, hot=hot)
    with ThreadGroup(4) as threads:
        outcomes = threads.race(
            [partial(give, code, each) for code in (one, other) for each in (users, users[::-1])]
        ).values
    assert result_codes(outcomes).count("redeemed") == 60
    assert_exactly(one, 30)
    assert_exactly(other, 30)


@either_code
@pytest.mark.parametrize("commits", [False, True], ids=["rolled back", "committed"])
def test_a_bulk_redemption_waits_for_a_slot_that_may_come_free(hot: bool, commits: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=3, hot=hot)
    with other_connection() as holder:
        redeem_in(holder, promo_code.code, CustomerFactory.create())
        with in_background(partial(give, promo_code, ["ada", "bob", "carol"])) as waiting:
            wait_for_waiters(1)
            if commits:
                holder.commit()
            else:
                holder.rollback()
            results = result_codes(waiting.finish().values)
    assert results == ["redeemed", "redeemed", "promo_exhausted" if commits else "redeemed"]
    assert_exactly(promo_code, 3)


@either_code
def test_a_release_in_flight_frees_its_slot_only_when_it_commits(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=2, hot=hot)
    ada = CustomerFactory.create(user_id="ada")
    redemption = redeem(code=promo_code.code, user_id="ada", by=acting(ada))
    with ThreadGroup(1) as threads:
        with transaction.atomic():
            release(redemption=redemption, reason="theirs", by=actor())
            waiting = threads.start([partial(give, promo_code, ["bob", "carol"])])
            if hot:  # another counter has the room that is left
                waiting.finish()
            else:
                wait_for_waiters(1)
        results = result_codes(waiting.values if hot else waiting.finish().values)
    assert results == ["redeemed", "promo_exhausted"]
    assert result_codes([give(promo_code, ["carol"])]) == ["redeemed"]
    assert Redemption.objects.filter(promo_code=promo_code, status="confirmed").count() == 2
    assert ledger_and_redemptions_agree()


@either_code
def test_concurrent_releases_and_bulk_redemptions_keep_the_count_true(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=20, hot=hot)
    users = [f"user-{number:02}" for number in range(20)]
    give(promo_code, users)
    mine = list(Redemption.objects.filter(promo_code=promo_code))
    calls: list[Callable[[], object]] = [
        *(partial(release, redemption=each, reason="x", by=actor()) for each in mine[:8]),
        partial(give, promo_code, users[::-1]),
        partial(give, promo_code, [f"new-{number}" for number in range(9)]),
    ]
    with ThreadGroup(len(calls)) as threads:
        threads.race(calls)
    live = Redemption.objects.filter(promo_code=promo_code, status="confirmed").count()
    assert 12 <= live <= 20
    assert times_redeemed(promo_code.code) == live
    assert ledger_and_redemptions_agree()


@either_code
def test_the_cap_holds_while_it_changes(hot: bool) -> None:
    users = [f"user-{number:02}" for number in range(12)]
    with ThreadGroup(3) as threads:
        for turn in range(6):
            promo_code = PromoCodeFactory.create(max_redemptions=6, hot=hot)
            change = partial(
                issue_code,
                code=promo_code.code,
                terms=Terms(credit_minor=CREDIT_MINOR, max_redemptions=(9, 0)[turn % 2], hot=not hot),
                by=actor(),
            )
            calls: list[Callable[[], object]] = [
                change,
                partial(give, promo_code, users),
                partial(give, promo_code, [f"other-{number}" for number in range(4)]),
            ]
            threads.race(calls)
            live = Redemption.objects.filter(promo_code=promo_code, status="confirmed").count()
            assert 6 <= live <= (9, 16)[turn % 2]
            assert_exactly(promo_code, live)
