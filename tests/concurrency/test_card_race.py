"""A card is redeemed once at any concurrency, and never after its batch was locked."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import CardNotActive, PromoChanged, PromoExhausted
from promos.models import Redemption
from promos.use_cases.cards.change_batch import stop_batch
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
