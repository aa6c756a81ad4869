"""Batches of two processes that redeem the same codes, in opposite orders: counted exactly, and never a deadlock."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import Sum
from psycopg.errors import DeadlockDetected, LockNotAvailable

from billing.models import Customer
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import RedemptionRequest, redeem_batch
from tests.concurrency.schema_changes import (
    GATE,
    PASS_GATE,
    function_definition,
    replace_text,
    replaced_function,
)
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.consistency import ledger_and_redemptions_agree
from tests.factories import CustomerFactory, PromoCodeFactory, acting

BATCHES = 4
ROUNDS = 60
DEADLOCK, LOCKED, EXHAUSTED = "deadlock", "waiting for a lock timed out", "the slots were taken"

pytestmark = pytest.mark.django_db(transaction=True)


def redeem_all(customers: Sequence[Customer], codes: Sequence[str], *, wait: bool) -> int | str:
    """One batch; how many it redeemed, or why the database refused it as a whole."""
    requests = [
        RedemptionRequest(code=code, user_id=customer.user_id, by=acting(customer))
        for code, customer in zip(codes, customers, strict=True)
    ]
    try:
        return sum(each is not None for each in redeem_batch(requests, wait=wait))
    except PromoExhausted:
        return EXHAUSTED
    except OperationalError as error:
        if isinstance(error.__cause__, DeadlockDetected):
            return DEADLOCK
        if isinstance(error.__cause__, LockNotAvailable) and not wait:
            return LOCKED
        raise


def assert_counted(codes: Sequence[PromoCode]) -> int:
    """Counters and redemptions agree, and no cap is passed; how many are live."""
    total = 0
    for code in codes:
        live = Redemption.objects.filter(promo_code=code, status="confirmed").count()
        if code.capped:
            assert code.counters.aggregate(total=Sum("used"))["total"] == live <= code.max_redemptions
        total += live
    return total


@pytest.mark.parametrize("wait", [False, True], ids=["in a batch", "waiting"])
def test_batches_of_the_same_codes_in_opposite_orders_never_deadlock(wait: bool) -> None:
    kinds: list[dict[str, Any]] = [
        {"max_redemptions": 6},
        {"max_redemptions": 6, "hot": True},
        {"max_redemptions": 400},
        {},
    ]
    size = len(kinds) * 2
    customers = [CustomerFactory.create_batch(size) for _ in range(BATCHES)]
    served = 0
    with ThreadGroup(BATCHES) as threads:
        for _ in range(ROUNDS):
            codes = [PromoCodeFactory.create(**kind) for kind in kinds for _ in range(2)]
            texts = [code.code for code in codes]
            orders = (texts, texts[::-1], texts[3:] + texts[:3], texts[::2] + texts[1::2])
            outcomes = threads.race(
                [partial(redeem_all, *batch, wait=wait) for batch in zip(customers, orders, strict=True)]
            ).values
            assert DEADLOCK not in outcomes
            redeemed = sum(each for each in outcomes if isinstance(each, int))
            assert assert_counted(codes) == redeemed
            served += redeemed
    assert served > ROUNDS * size
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize("wait", [False, True], ids=["in a batch", "waiting"])
def test_batches_of_the_same_customers_and_codes_never_deadlock(wait: bool) -> None:
    """Each redeems every code of the others' customers; a customer has one redemption of a code."""
    customers = CustomerFactory.create_batch(6)
    served = 0
    with ThreadGroup(BATCHES) as threads:
        for _ in range(ROUNDS // 2):
            codes = PromoCodeFactory.create_batch(6, max_redemptions=3)
            texts = [code.code for code in codes]
            orders = (
                (customers, texts),
                (customers[::-1], texts),
                (customers[2:] + customers[:2], texts[::-1]),
                (customers, texts[::-1]),
            )
            outcomes = threads.race([partial(redeem_all, *each, wait=wait) for each in orders]).values
            assert DEADLOCK not in outcomes
            redeemed = sum(each for each in outcomes if isinstance(each, int))
            assert assert_counted(codes) == redeemed
            served += redeemed
    assert served >= ROUNDS // 2 * 6
    assert ledger_and_redemptions_agree()


def test_control_batches_that_claim_in_their_own_order_deadlock() -> None:
    codes = [code.code for code in PromoCodeFactory.create_batch(2, max_redemptions=9)]
    ours, theirs = CustomerFactory.create_batch(2), CustomerFactory.create_batch(2)
    definition = function_definition("promos_claim_slots_of_redemptions")
    own_order = f"CASE WHEN min(w.customer) <= {ours[-1].pk} THEN w.promo END, w.promo DESC"
    unordered = replace_text(
        definition, "GROUP BY w.promo ORDER BY w.promo", f"GROUP BY w.promo ORDER BY {own_order}"
    )
    claimed = "MESSAGE = 'every slot is taken';\n    END IF;"
    stops = replace_text(unordered, claimed, f"{claimed}\n    {PASS_GATE}")
    with (
        replaced_function("promos_claim_slots_of_redemptions", stops),
        other_connection() as gatekeeper,
        ThreadGroup(2) as threads,
    ):
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        racing = threads.start([partial(redeem_all, each, codes, wait=True) for each in (ours, theirs)])
        wait_for_waiters(2)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        assert sorted(racing.finish().values, key=str) == [2, DEADLOCK]
    assert Redemption.objects.count() == 2
