"""A card is redeemed once at any concurrency, and never after its batch or its range was locked."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import CardNotActive, PromoChanged, PromoExhausted
from promos.models import CardRange, Redemption
from promos.use_cases.cards.change_batch import stop_batch
from promos.use_cases.ranges.act_on_cards import act_on_cards
from promos.use_cases.ranges.plan_act import Act, Skipped
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup
from tests.factories import CustomerFactory, acting
from tests.promos.cards.make_batch import DRAFTER, active, codes_of

THREADS = 32

pytestmark = pytest.mark.django_db(transaction=True)


def redeem_as(customer: Customer, code: str) -> Redemption:
    return redeem(code=code, user_id=customer.user_id, by=acting(customer))


def redeem_all(customer: Customer, codes: list[str]) -> None:
    for code in codes:
        with suppress(PromoExhausted, PromoChanged):
            redeem_as(customer, code)


def test_thirty_two_customers_redeem_a_card_once() -> None:
    customers = CustomerFactory.create_batch(THREADS)
    with ThreadGroup(THREADS) as threads:
        for code in codes_of(active(size=10)):
            race = threads.race([partial(redeem_as, each, code) for each in customers])
            assert len(race.values) == 1
            assert set(race.refusals) <= {PromoExhausted}
    assert Redemption.objects.count() == LedgerEntry.objects.count() == 10
    assert (verify_redemptions(), verify_ledger().sound) == (None, True)


def test_customers_who_redeem_the_same_cards_in_other_orders_do_not_deadlock() -> None:
    customers, codes = CustomerFactory.create_batch(THREADS), codes_of(active(size=16))
    calls = [partial(redeem_all, each, codes if turn % 2 else codes[::-1]) for turn, each in enumerate(customers)]
    with ThreadGroup(THREADS) as threads:
        threads.race(calls)
    assert Redemption.objects.filter(status="confirmed").count() == 16
    assert (verify_redemptions(), verify_ledger().sound) == (None, True)


def test_no_card_is_redeemed_after_its_batch_was_locked() -> None:
    customers = CustomerFactory.create_batch(THREADS - 1)
    batch = active(size=THREADS)

    def lock() -> int:
        stop_batch(batch=batch, by=DRAFTER, reason="a box is missing")
        return Redemption.objects.count()

    calls: list[Callable[[], Any]] = [lock]
    calls += [partial(redeem_as, each, code) for each, code in zip(customers, codes_of(batch), strict=False)]
    with ThreadGroup(THREADS) as threads:
        race = threads.race(calls)
    [redeemed_at_lock] = [value for value in race.values if isinstance(value, int)]
    assert Redemption.objects.count() == redeemed_at_lock
    assert set(race.refusals) <= {CardNotActive}


@pytest.mark.parametrize("act", [Act.LOCK, Act.VOID, Act.RETURN])
def test_no_card_is_redeemed_after_its_range_was_locked_and_others_are(act: Act) -> None:
    customers, others = CustomerFactory.create_batch(THREADS // 2), CustomerFactory.create_batch(THREADS // 2 - 1)
    batch = active(size=THREADS)
    first, last = batch.first_serial, batch.first_serial + THREADS // 2 - 1
    of_range = Redemption.objects.filter(card_serial__range=(first, last))

    def stop() -> tuple[int, int]:
        report = act_on_cards(batch=batch, act=act, spans=[(first, last)], by=DRAFTER, reason="a box is missing")
        return of_range.count(), report.skipped.get(Skipped.REDEEMED, 0)

    codes, calls = codes_of(batch), list[Callable[[], Any]]([stop])
    calls += [partial(redeem_as, each, code) for each, code in zip(customers, codes, strict=False)]
    calls += [partial(redeem_as, each, code) for each, code in zip(others, codes[THREADS // 2 :], strict=False)]
    with ThreadGroup(THREADS) as threads:
        race = threads.race(calls)
    [(redeemed_at_act, reported)] = [value for value in race.values if isinstance(value, tuple)]
    assert of_range.count() == redeemed_at_act == reported
    assert set(race.refusals) <= {CardNotActive}
    assert Redemption.objects.count() == redeemed_at_act + len(others)
    assert (verify_redemptions(), verify_ledger().sound) == (None, True)


def test_two_acts_on_the_same_cards_take_turns() -> None:
    batch = active(size=THREADS)
    spans = [(batch.first_serial + n, batch.first_serial + n + 8) for n in range(0, 16, 2)]
    acts = [Act.RETURN, Act.LOCK, Act.ACTIVATE, Act.UNLOCK]
    calls = [
        partial(act_on_cards, batch=batch, act=acts[n % 4], spans=[span], by=DRAFTER, reason="race")
        for n, span in enumerate(spans)
    ]
    with ThreadGroup(len(calls)) as threads:
        race = threads.race(calls)
    assert not race.refusals
    covered = {serial for row in CardRange.objects.all() for serial in range(row.first_serial, row.last_serial + 1)}
    assert sum(row.size for row in CardRange.objects.all()) == len(covered)
