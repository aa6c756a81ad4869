"""The cap is exact while three of ten transactions roll back after they claimed a slot; controls remove the locks.

No redemption is released within a round, so the number of committed redemptions only grows. A thread that is refused
as "exhausted" then counts them: fewer than the cap means that the refusal was false. A thread that is about to
commit is refused only if all slots are taken, so exactly min(cap, threads that commit) redemptions remain.
"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from django.db import transaction

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.redeem_in import redeem_in
from tests.concurrency.schema_changes import GATE, PASS_GATE, dropped_constraint, replaced_function
from tests.concurrency.threads import ThreadGroup, in_background
from tests.concurrency.wait_for import Other, other_connection, wait_for_waiters
from tests.factories import CustomerFactory, PromoCodeFactory, acting

THREADS = 12
CAP = 5
ROUNDS = 200
ROLLED_BACK_SHARE = 0.3

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

CLAIM_SLOTS = """
CREATE OR REPLACE FUNCTION promos_claim_slots_of_code(promo uuid, wanted bigint, hot boolean) RETURNS boolean
LANGUAGE plpgsql AS $$ {} $$
"""
READ_THEN_WRITE = CLAIM_SLOTS.format(f"""
DECLARE
  room boolean;
BEGIN
  SELECT sum(used) < sum(quota) INTO room FROM promos_promocounter WHERE promo_code_id = promo;
  {PASS_GATE}
  IF room THEN
    UPDATE promos_promocounter SET used = used + 1
     WHERE id = (SELECT min(id) FROM promos_promocounter WHERE promo_code_id = promo);
  END IF;
  RETURN room;
END
""")
SKIP_ONLY = CLAIM_SLOTS.format("""
BEGIN
  UPDATE promos_promocounter SET used = used + 1
   WHERE id = (SELECT id FROM promos_promocounter WHERE promo_code_id = promo AND used < quota
                LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
  RETURN FOUND;
END
""")


class RolledBack(Exception):
    """A transaction fails after it redeemed the code."""


class FalseExhausted(AssertionError):
    """A redemption was refused although a slot was free."""


def redeem_or_roll_back(customer: Customer, promo_code: PromoCode, *, fails: bool) -> str:
    try:
        with transaction.atomic():
            redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
            if fails:
                raise RolledBack
    except RolledBack:
        return "rolled back"
    except PromoExhausted:
        really_taken = taken(promo_code)
        if really_taken < promo_code.max_redemptions:
            message = f"refused with {really_taken} of {promo_code.max_redemptions} slots taken"
            raise FalseExhausted(message) from None
        return "exhausted"
    return "confirmed"


def taken(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code).count()


def run_round(
    threads: ThreadGroup, customers: Sequence[Customer], promo_code: PromoCode, fails: Sequence[bool]
) -> Counter[str]:
    outcome = threads.race(
        [
            partial(redeem_or_roll_back, customer, promo_code, fails=failing)
            for customer, failing in zip(customers, fails, strict=True)
        ]
    )
    assert outcome.refusals == {}
    return Counter(outcome.values)


def run_rounds(*, hot: bool, rounds: Sequence[Sequence[bool]]) -> Counter[str]:
    customers = CustomerFactory.create_batch(THREADS)
    outcomes: Counter[str] = Counter()
    confirmed = 0
    with ThreadGroup(THREADS) as threads:
        for number, fails in enumerate(rounds):
            promo_code = PromoCodeFactory.create(code=f"ROUND-{number}", max_redemptions=CAP, hot=hot)
            found = run_round(threads, customers, promo_code, fails)

            due = min(CAP, fails.count(False))
            assert (number, found["confirmed"], taken(promo_code)) == (number, due, due)
            retried = [customer for customer, failing in zip(customers, fails, strict=True) if failing]
            for customer in retried[: CAP - due]:
                assert redeem_or_roll_back(customer, promo_code, fails=False) == "confirmed"
            assert taken(promo_code) == CAP
            outcomes += found
            confirmed += CAP
    assert verify_redemptions() is None
    assert verify_ledger().sound
    assert LedgerEntry.objects.count() == Redemption.objects.count() == confirmed
    return outcomes


@either_code
def test_with_rollbacks_the_cap_is_exact_and_no_refusal_is_false(hot: bool) -> None:
    chance = random.Random(20_260_101)
    rounds = [[chance.random() < ROLLED_BACK_SHARE for _ in range(THREADS)] for _ in range(ROUNDS)]

    outcomes = run_rounds(hot=hot, rounds=rounds)

    assert outcomes.total() == ROUNDS * THREADS
    assert outcomes["confirmed"] == sum(min(CAP, fails.count(False)) for fails in rounds)
    assert outcomes["exhausted"] > 0
    assert outcomes["rolled back"] > 0


@either_code
def test_each_committing_thread_redeems_if_exactly_enough_commit(hot: bool) -> None:
    chance = random.Random(20_260_102)
    rounds = [chance.sample([False] * CAP + [True] * (THREADS - CAP), k=THREADS) for _ in range(50)]

    outcomes = run_rounds(hot=hot, rounds=rounds)

    assert outcomes["confirmed"] == 50 * CAP


def hold_slot(other: Other, customer: Customer, promo_code: PromoCode) -> None:
    """Redeem the code in a transaction that stays open."""
    redeem_in(other, promo_code.code, customer)


@either_code
def test_a_redemption_waits_for_a_slot_that_may_come_free(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=2, hot=hot)
    latecomer = CustomerFactory.create()
    with other_connection() as first, other_connection() as second:
        hold_slot(first, CustomerFactory.create(), promo_code)
        if hot:
            hold_slot(second, CustomerFactory.create(), promo_code)
        with in_background(partial(redeem_or_roll_back, latecomer, promo_code, fails=False)) as waiting:
            wait_for_waiters(1)
            first.rollback()
            second.commit()
            assert waiting.finish().values == ["confirmed"]
    assert taken(promo_code) == (2 if hot else 1)
    assert verify_redemptions() is None


@either_code
def test_a_redemption_is_refused_if_the_slot_it_waited_for_is_taken(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=1, hot=hot)
    latecomer = CustomerFactory.create()
    with other_connection() as holder:
        hold_slot(holder, CustomerFactory.create(), promo_code)
        with in_background(
            partial(redeem, code=promo_code.code, user_id=latecomer.user_id, by=acting(latecomer))
        ) as waiting:
            wait_for_waiters(1)
            holder.commit()
            assert waiting.finish().refusals == {PromoExhausted: 1}
    assert taken(promo_code) == 1
    assert verify_redemptions() is None


@either_code
def test_control_a_claim_that_reads_and_then_writes_goes_over_the_cap(hot: bool) -> None:
    with (
        dropped_constraint("promos_promocounter", "promos_promocounter_used_within_quota"),
        replaced_function("promos_claim_slots_of_code", READ_THEN_WRITE),
        other_connection() as gatekeeper,
        ThreadGroup(THREADS) as threads,
    ):
        customers = CustomerFactory.create_batch(THREADS)
        promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        in_flight = threads.start(
            [partial(redeem_or_roll_back, customer, promo_code, fails=False) for customer in customers]
        )
        wait_for_waiters(THREADS)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])

        assert in_flight.finish().values == ["confirmed"] * THREADS
        assert taken(promo_code) == THREADS
        fault = verify_redemptions()
        assert fault is not None
        assert fault[0] == promo_code.code


@either_code
def test_control_a_claim_that_only_skips_locked_rows_refuses_falsely(hot: bool) -> None:
    with replaced_function("promos_claim_slots_of_code", SKIP_ONLY), other_connection() as holder:
        promo_code = PromoCodeFactory.create(max_redemptions=1, hot=hot)
        latecomer = CustomerFactory.create()
        hold_slot(holder, CustomerFactory.create(), promo_code)

        with pytest.raises(FalseExhausted, match="refused with 0 of 1 slots taken"):
            redeem_or_roll_back(latecomer, promo_code, fails=False)

        holder.rollback()
    assert taken(promo_code) == 0
