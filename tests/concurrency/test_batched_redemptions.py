"""Redemptions that arrive together share a batch: as exact as one after the other, and no customer redeems twice."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle

import pytest

from billing.models import Account, Customer, LedgerEntry
from promos.errors import CapBelowUsed, PromoAlreadyRedeemed, PromoExhausted, PromoInactive, PromoNotFound
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.batched_redemptions import (
    CREDIT_MINOR,
    LOCKED_ACCOUNT,
    THREADS,
    any_code,
    assert_exactly,
    assert_results_are_own,
    calls_of,
    deadlocks,
    either_code,
    held,
    live,
    patient_batches,
    redeem_as,
    redeem_on,
    reporting,
    start_behind_leader,
)
from tests.concurrency.hold_batches import REDEMPTIONS, record_batches
from tests.concurrency.schema_changes import function_definition, replace_text, replaced_function
from tests.concurrency.threads import ThreadGroup, in_background
from tests.concurrency.wait_for import other_connection, wait_for_waiters, wait_until
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

UNCHECKED_CLAIM = """
CREATE OR REPLACE FUNCTION promos_claim_slots_of_code(promo uuid, wanted bigint, hot boolean) RETURNS boolean
LANGUAGE sql AS $$ SELECT true $$
"""


@any_code
def test_threads_that_race_redeem_exactly_the_slots_there_are(cap: int, hot: bool) -> None:
    customers = CustomerFactory.create_batch(THREADS)
    due = min(cap or THREADS, THREADS)
    with ThreadGroup(THREADS) as crew, record_batches(REDEMPTIONS) as batches:
        for _ in range(8):
            promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
            outcome = crew.race(calls_of(customers, promo_code))
            assert len(outcome.values) == due
            assert outcome.refusals == ({PromoExhausted: THREADS - due} if due < THREADS else {})
            assert_results_are_own(outcome, customers)
            assert_exactly(promo_code, due)
    assert any(len(batch) > 1 and any(batch) for batch in batches)


@any_code
def test_requests_that_wait_together_are_served_by_one_statement(cap: int, hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
    customers = CustomerFactory.create_batch(16)
    with (
        record_batches(REDEMPTIONS) as batches,
        start_behind_leader(calls_of(customers, promo_code)) as (_, under_way),
    ):
        pass
    assert batches == [[True] * 16]
    assert len({redemption.id for redemption in under_way.values}) == 16
    assert_results_are_own(under_way, customers)
    assert_exactly(promo_code, 16)


@either_code
def test_where_fewer_slots_are_left_than_requests_wait_all_of_them_are_taken(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=11, hot=hot)
    customers = CustomerFactory.create_batch(16)
    with (
        record_batches(REDEMPTIONS) as batches,
        start_behind_leader(calls_of(customers, promo_code)) as (_, under_way),
    ):
        pass
    assert batches == [[True] * 11 + [False] * 5]
    assert (len(under_way.values), under_way.refusals) == (11, {PromoExhausted: 5})
    assert_exactly(promo_code, 11)


@either_code
@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
def test_a_batch_waits_for_a_slot_that_may_still_be_rolled_back(hot: bool, commits: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8, hot=hot)
    customers, holding = CustomerFactory.create_batch(8), CustomerFactory.create()
    with patient_batches("promos_redeem"), record_batches(REDEMPTIONS) as batches, other_connection() as other:
        with start_behind_leader(calls_of(customers, promo_code)) as (leader, under_way):
            redeem_on(other, holding, promo_code)
            leader.release()
            wait_for_waiters(1)
            assert live(promo_code) == 0
            if commits:
                other.commit()
            else:
                other.rollback()
    assert batches[0] == [not commits] * 8
    assert under_way.refusals == ({PromoExhausted: 1} if commits else {})
    assert live(promo_code) == 8
    assert verify_redemptions() is None


def test_control_a_claim_that_counts_nothing_is_seen() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8)
    customers = CustomerFactory.create_batch(8)
    with replaced_function("promos_claim_slots_of_code", UNCHECKED_CLAIM):
        with start_behind_leader(calls_of(customers, promo_code)):
            pass
    assert live(promo_code) == 8
    with pytest.raises(AssertionError):
        assert_exactly(promo_code, 8)


def test_control_a_claim_that_counts_nothing_oversells() -> None:
    """With a slot in flight, so that eight seem to be free and seven are."""
    promo_code = PromoCodeFactory.create(max_redemptions=8)
    customers = CustomerFactory.create_batch(8)
    with replaced_function("promos_claim_slots_of_code", UNCHECKED_CLAIM), other_connection() as other:
        with start_behind_leader(calls_of(customers, promo_code)):
            redeem_on(other, CustomerFactory.create(), promo_code)
        other.commit()
    assert live(promo_code) == 9 > promo_code.max_redemptions


@either_code
def test_a_user_three_times_in_one_batch_redeems_once_and_the_others_are_served(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=10, hot=hot)
    customers = CustomerFactory.create_batch(6)
    calls = calls_of([customers[0], *customers, customers[0]], promo_code)
    with start_behind_leader(calls) as (_, under_way):
        pass
    assert (len(under_way.values), under_way.refusals) == (6, {PromoAlreadyRedeemed: 2})
    assert {redemption.customer_id for redemption in under_way.values} == {customer.pk for customer in customers}
    assert_exactly(promo_code, 6)


def test_a_second_redemption_a_newcomer_and_a_new_address_hold_up_no_other_request() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=10)
    customers = CustomerFactory.create_batch(6)
    redeem_as(customers[2], promo_code)
    newcomer = partial(redeem, code=promo_code.code, user_id="new", by=actor("customer", user_id="new"))
    moved = partial(
        redeem,
        code=promo_code.code,
        user_id=customers[5].user_id,
        email="moved@example.org",
        by=acting(customers[5]),
    )
    calls: list[Callable[[], Redemption]] = [*calls_of(customers[:5], promo_code), newcomer, moved]
    with record_batches(REDEMPTIONS) as batches, start_behind_leader(calls) as (_, under_way):
        pass
    assert sorted(batches[0]) == [False, False, False, True, True, True, True]
    assert (len(under_way.values), under_way.refusals) == (6, {PromoAlreadyRedeemed: 1})
    assert Customer.objects.get(id=customers[5].pk).email == "moved@example.org"
    assert_exactly(promo_code, 7)


@any_code
def test_a_customer_whose_account_is_locked_does_not_hold_up_the_others(cap: int, hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
    customers = CustomerFactory.create_batch(8)
    with record_batches(REDEMPTIONS) as batches, other_connection() as other:
        with start_behind_leader(calls_of(customers, promo_code)) as (leader, under_way):
            with held(other, LOCKED_ACCOUNT, customers[3].pk):
                leader.release()
                wait_until(lambda: live(promo_code) == 7, "redemption by the others")
                wait_for_waiters(1)
                assert not under_way.done
                assert not Redemption.objects.filter(customer=customers[3]).exists()
    assert sorted(batches[0]) == [False] + [True] * 7
    assert (len(under_way.values), under_way.refusals) == (8, {})
    assert_exactly(promo_code, 8)


def test_control_a_batch_that_waits_for_a_locked_account_serves_nobody_before() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(8)
    waits = replace_text(function_definition("promos_redeem"), "UPDATE OF a SKIP LOCKED", "UPDATE OF a")
    waits = replace_text(waits, "'250ms'", "'30s'")
    with replaced_function("promos_redeem", waits), other_connection() as other:
        with start_behind_leader(calls_of(customers, promo_code)) as (leader, under_way):
            with held(other, LOCKED_ACCOUNT, customers[3].pk):
                leader.release()
                wait_for_waiters(1)
                with pytest.raises(AssertionError, match="redemption by the others"):
                    wait_until(lambda: live(promo_code) == 7, "redemption by the others", seconds=0.3)
                assert live(promo_code) == 0
    assert len(under_way.values) == 8


def test_a_request_that_waits_alone_for_its_account_does_not_hold_up_later_requests() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    stuck, *customers = CustomerFactory.create_batch(7)
    with other_connection() as other, ThreadGroup(6) as crew, held(other, LOCKED_ACCOUNT, stuck.pk):
        with in_background(partial(redeem_as, stuck, promo_code)) as hanging:
            wait_for_waiters(1)
            assert crew.race(calls_of(customers, promo_code)).refusals == {}
            assert not hanging.done
            assert live(promo_code) == 6
            other.rollback()
            assert len(hanging.finish().values) == 1
    assert_exactly(promo_code, 7)


@pytest.mark.parametrize(("stop", "refusal"), [(pause_code, PromoInactive), (retire_code, PromoNotFound)])
def test_a_code_that_is_stopped_while_requests_wait_is_redeemed_by_none(
    stop: Callable[..., PromoCode], refusal: type[Exception]
) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    calls = calls_of(CustomerFactory.create_batch(8), promo_code)
    with ExitStack() as unchanged:
        with start_behind_leader(calls) as (_, under_way):
            stop(code=promo_code.code, by=actor(), reason="enough")
            unchanged.enter_context(nothing_changes())
    assert under_way.refusals == {refusal: 8}


@pytest.mark.parametrize("cap", [0, 5, 8, 30])
def test_terms_that_change_while_requests_wait_are_those_that_count(cap: int) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(8)
    terms = Terms(credit_minor=4_000, max_redemptions=cap, hot=True)
    with start_behind_leader(calls_of(customers, promo_code)):
        promo_code = issue_code(code=promo_code.code, terms=terms, by=actor())
    due = min(cap or 8, 8)
    assert live(promo_code) == times_redeemed(promo_code) == due
    assert set(LedgerEntry.objects.values_list("amount_minor", flat=True)) == {4_000}
    assert LedgerEntry.objects.count() == due
    assert verify_redemptions() is None


def test_the_cap_holds_while_it_moves_under_batches() -> None:
    issue_code(code="MOVING", terms=Terms(credit_minor=CREDIT_MINOR, max_redemptions=7), by=actor())
    steps = cycle((40, 0, 16, 90, 7, 0, 60))
    finished: list[int] = []

    def redeem_all(customers: Sequence[Customer]) -> int:
        done = 0
        try:
            for customer in customers:
                try:
                    redeem(code="MOVING", user_id=customer.user_id, by=acting(customer))
                    done += 1
                except PromoExhausted:
                    continue
        finally:
            finished.append(done)
        return done

    def wait_for_batches() -> None:
        """Let some batches run on terms that stay: one whose terms change under it serves nobody."""
        ran = len(batches)
        wait_until(lambda: len(batches) > ran + 2 or len(finished) == 16, "three batches")

    def move_cap() -> int:
        for hot in cycle((False, True)):
            wait_for_batches()
            if len(finished) == 16:
                break
            try:
                terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=next(steps), hot=hot)
                issue_code(code="MOVING", terms=terms, by=actor())
            except CapBelowUsed:
                continue
        return 0

    before = deadlocks()
    calls: list[Callable[[], int]] = [
        partial(redeem_all, customers) for customers in [CustomerFactory.create_batch(8) for _ in range(16)]
    ]
    with ThreadGroup(17) as crew, record_batches(REDEMPTIONS) as batches:
        outcome = crew.race([*map(reporting, calls), reporting(move_cap)])
    assert deadlocks() == before
    assert any(len(batch) > 1 and any(batch) for batch in batches)
    promo_code = PromoCode.objects.get(code="MOVING")
    assert outcome.refusals == {}
    assert_exactly(promo_code, sum(outcome.values))
    assert not promo_code.capped or live(promo_code) <= promo_code.max_redemptions


def test_staff_who_redeem_for_a_user_are_the_actors_of_the_entry() -> None:
    """In a batch as alone, the entry names who acted, not whom the credit is for."""
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(4)
    calls = [
        partial(redeem, code=promo_code.code, user_id=customer.user_id, by=actor(user_id="noor", channel="console"))
        for customer in customers
    ]
    with record_batches(REDEMPTIONS) as batches, start_behind_leader(calls):
        pass
    assert batches == [[True] * 4]
    entries = LedgerEntry.objects.values_list("actor_id", "actor_role", "channel")
    assert list(entries) == [("noor", "superadmin", "console")] * 4


def test_each_redemption_of_a_batch_has_the_time_and_the_actor_of_its_own_request() -> None:
    promo_code = PromoCodeFactory.create()
    customers = CustomerFactory.create_batch(4)
    with (
        record_batches(REDEMPTIONS) as batches,
        start_behind_leader(calls_of(customers, promo_code)) as (_, under_way),
    ):
        pass
    assert batches == [[True] * 4]
    for customer, redemption in zip(customers, under_way.values, strict=True):
        entry = LedgerEntry.objects.get(account_id=customer.pk)
        assert (entry.actor_id, entry.address, entry.redemption_id) == (
            customer.user_id,
            acting(customer).address,
            redemption.id,
        )
    assert len({redemption.confirmed_at for redemption in under_way.values}) == 4
    assert set(Account.objects.values_list("balance_minor", flat=True)) == {CREDIT_MINOR}
