"""What tests of those who ask at the same moment share: calls that gather, rows held, and what must be exact."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import pytest
from django.db import connection

from billing.models import Customer, LedgerEntry
from billing.use_cases.verify_ledger import verify_ledger
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import _redeeming, redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.hold_batches import BlockedLeader, block_leader
from tests.concurrency.threads import Race, ThreadGroup
from tests.concurrency.wait_for import Other
from tests.consistency import times_redeemed
from tests.factories import acting

T = TypeVar("T")

THREADS = 24
CREDIT_MINOR = 10_000

either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])
any_code = pytest.mark.parametrize(
    ("cap", "hot"), [(0, False), (19, False), (19, True), (200, True)], ids=["uncapped", "ordinary", "hot", "roomy"]
)

LOCKED_ACCOUNT = "SELECT FROM billing_account WHERE customer_id = %s FOR NO KEY UPDATE"
LOCKED_COUNTERS = "SELECT FROM promos_promocounter WHERE promo_code_id = %s FOR NO KEY UPDATE"


class FalseExhausted(AssertionError):
    """Somebody was refused a place that nobody had."""


def redeem_as(customer: Customer, promo_code: PromoCode) -> Redemption:
    """Redeems it; whoever is refused looks at once whether all places are really taken (nobody gives one back)."""
    try:
        return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    except PromoExhausted:
        really_taken, cap = live(promo_code), PromoCode.objects.get(id=promo_code.id).max_redemptions
        if really_taken < cap:
            message = f"refused with {really_taken} of {cap} places taken"
            raise FalseExhausted(message) from None
        raise


def live(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code, status__in=["reserved", "confirmed"]).count()


def calls_of(customers: Sequence[Customer], promo_code: PromoCode) -> list[Callable[[], Redemption]]:
    return [partial(redeem_as, customer, promo_code) for customer in customers]


def assert_exactly(promo_code: PromoCode, number: int) -> None:
    """So many redemptions, places in use and entries, of as many customers, and all of it adds up."""
    redemptions = Redemption.objects.filter(promo_code=promo_code, status="confirmed")
    assert (redemptions.count(), redemptions.values("customer").distinct().count()) == (number, number)
    assert times_redeemed(promo_code) == number
    if promo_code.capped:
        assert sum(promo_code.counters.values_list("used", flat=True)) == number
    entries = LedgerEntry.objects.filter(reason=f"promo:{promo_code.code}", kind="grant")
    assert {entry.redemption_id for entry in entries} == {redemption.id for redemption in redemptions}
    assert entries.count() == number
    assert {entry.amount_minor for entry in entries} <= {CREDIT_MINOR}
    assert verify_redemptions() is None
    assert verify_ledger().sound


def assert_told_the_truth(outcome: Race[Redemption], customers: Sequence[Customer]) -> None:
    """Everybody who was not refused holds his own redemption, as the database has it."""
    for customer, told in zip(customers, outcome.outcomes, strict=True):
        if isinstance(told, Redemption):
            stored = Redemption.objects.get(id=told.id)
            assert (told.customer_id, told.credit_minor) == (customer.pk, stored.credit_minor)
            assert (stored.customer_id, stored.confirmed_at) == (customer.pk, told.confirmed_at)


@contextmanager
def gathered(
    promo_code: PromoCode, calls: Sequence[Callable[[], Redemption]]
) -> Iterator[tuple[BlockedLeader, Race[Redemption]]]:
    """All of the calls wait behind a door."""
    with ThreadGroup(len(calls)) as crew, block_leader(_redeeming, promo_code.code) as door:
        under_way = crew.start(calls)
        door.wait_for(len(calls))
        yield door, under_way
        door.open()
        under_way.finish()


@contextmanager
def held(other: Other, statement: str, value: object) -> Iterator[None]:
    """Rows that another transaction keeps locked, then rolls back."""
    other.execute(statement.encode(), [value])
    yield
    other.rollback()


def deadlocks() -> int:
    """How many there were in this database, as told by the connections so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def telling(call: Callable[[], T]) -> Callable[[], T]:
    """The call, after which the connection tells at once what happened to it, deadlocks among it."""

    def call_and_tell() -> T:
        try:
            return call()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_force_next_flush()")

    return call_and_tell


def cut_who_waits() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%together%'"
        )
        assert cursor.fetchall() == [(True,)]
