"""Three transactions of ten roll back after they had their place; beside it, controls without the locks.

In a round nobody gives a place back, so the committed redemptions only grow. Whoever is told "exhausted" looks at
once: fewer than the cap then means that the refusal was false. And a thread that means to commit is refused only
where all places are really gone, so exactly min(cap, threads that commit) redemptions stay.
"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from django.db import transaction

from billing.models import Customer, LedgerEntry
from billing.use_cases.verify_ledger import verify_ledger
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
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

CLAIM_PLACE = """
CREATE OR REPLACE FUNCTION promos_claim_slot(promo uuid, counters bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$ {} $$
"""
READ_THEN_WRITE = CLAIM_PLACE.format(f"""
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
SKIP_ONLY = CLAIM_PLACE.format("""
BEGIN
  UPDATE promos_promocounter SET used = used + 1
   WHERE id = (SELECT id FROM promos_promocounter WHERE promo_code_id = promo AND used < quota
                LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
  RETURN FOUND;
END
""")


class RolledBack(Exception):
    """A transaction that fails after it had everything."""


class FalseExhausted(AssertionError):
    """Somebody was refused a place that nobody had."""


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
            message = f"refused with {really_taken} of {promo_code.max_redemptions} places taken"
            raise FalseExhausted(message) from None
        return "exhausted"
    return "confirmed"


def taken(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code).count()


def play(
    crew: ThreadGroup, customers: Sequence[Customer], promo_code: PromoCode, fails: Sequence[bool]
) -> Counter[str]:
    outcome = crew.race(
        [
            partial(redeem_or_roll_back, customer, promo_code, fails=failing)
            for customer, failing in zip(customers, fails, strict=True)
        ]
    )
    assert outcome.refusals == {}
    return Counter(outcome.values)


def play_rounds(*, hot: bool, rounds: Sequence[Sequence[bool]]) -> Counter[str]:
    customers = CustomerFactory.create_batch(THREADS)
    told: Counter[str] = Counter()
    confirmed = 0
    with ThreadGroup(THREADS) as crew:
        for number, fails in enumerate(rounds):
            promo_code = PromoCodeFactory.create(code=f"ROUND-{number}", max_redemptions=CAP, hot=hot)
            found = play(crew, customers, promo_code, fails)

            due = min(CAP, fails.count(False))
            assert (number, found["confirmed"], taken(promo_code)) == (number, due, due)
            retried = [customer for customer, failing in zip(customers, fails, strict=True) if failing]
            for customer in retried[: CAP - due]:
                assert redeem_or_roll_back(customer, promo_code, fails=False) == "confirmed"
            assert taken(promo_code) == CAP
            told += found
            confirmed += CAP
    assert verify_redemptions() is None
    assert verify_ledger().sound
    assert LedgerEntry.objects.count() == Redemption.objects.count() == confirmed
    return told


@either_code
def test_with_rollbacks_never_a_false_exhausted_and_never_a_sixth(hot: bool) -> None:
    chance = random.Random(20_260_101)
    rounds = [[chance.random() < ROLLED_BACK_SHARE for _ in range(THREADS)] for _ in range(ROUNDS)]

    told = play_rounds(hot=hot, rounds=rounds)

    assert told.total() == ROUNDS * THREADS
    assert told["confirmed"] == sum(min(CAP, fails.count(False)) for fails in rounds)
    assert told["exhausted"] > 0
    assert told["rolled back"] > 0


@either_code
def test_where_just_enough_commit_each_of_them_has_a_place(hot: bool) -> None:
    chance = random.Random(20_260_102)
    rounds = [chance.sample([False] * CAP + [True] * (THREADS - CAP), k=THREADS) for _ in range(50)]

    told = play_rounds(hot=hot, rounds=rounds)

    assert told["confirmed"] == 50 * CAP


def hold_place(other: Other, customer: Customer, promo_code: PromoCode) -> None:
    """Redeems the code in a transaction that stays open."""
    other.execute(
        "SELECT promos_redeem(%s, %s, ROW('test', 'system', 'command', NULL)::billing_actor, now())",
        [promo_code.id, customer.pk],
    )


@either_code
def test_a_place_that_may_still_come_free_is_waited_for(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=2, hot=hot)
    latecomer = CustomerFactory.create()
    with other_connection() as first, other_connection() as second:
        hold_place(first, CustomerFactory.create(), promo_code)
        if hot:
            hold_place(second, CustomerFactory.create(), promo_code)
        with in_background(partial(redeem_or_roll_back, latecomer, promo_code, fails=False)) as waiting:
            wait_for_waiters(1)
            first.rollback()
            second.commit()
            assert waiting.finish().values == ["confirmed"]
    assert taken(promo_code) == (2 if hot else 1)
    assert verify_redemptions() is None


@either_code
def test_a_place_that_was_waited_for_and_taken_is_refused(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=1, hot=hot)
    latecomer = CustomerFactory.create()
    with other_connection() as holder:
        hold_place(holder, CustomerFactory.create(), promo_code)
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
        replaced_function("promos_claim_slot", READ_THEN_WRITE),
        other_connection() as gatekeeper,
        ThreadGroup(THREADS) as crew,
    ):
        customers = CustomerFactory.create_batch(THREADS)
        promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        under_way = crew.start(
            [partial(redeem_or_roll_back, customer, promo_code, fails=False) for customer in customers]
        )
        wait_for_waiters(THREADS)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])

        assert under_way.finish().values == ["confirmed"] * THREADS
        assert taken(promo_code) == THREADS
        fault = verify_redemptions()
        assert fault is not None
        assert fault[0] == promo_code.code


@either_code
def test_control_a_claim_that_only_skips_locked_rows_tells_a_false_exhausted(hot: bool) -> None:
    with replaced_function("promos_claim_slot", SKIP_ONLY), other_connection() as holder:
        promo_code = PromoCodeFactory.create(max_redemptions=1, hot=hot)
        latecomer = CustomerFactory.create()
        hold_place(holder, CustomerFactory.create(), promo_code)

        with pytest.raises(FalseExhausted, match="refused with 0 of 1 places taken"):
            redeem_or_roll_back(latecomer, promo_code, fails=False)

        holder.rollback()
    assert taken(promo_code) == 0
