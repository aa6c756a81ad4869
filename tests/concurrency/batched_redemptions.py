"""Shared parts of tests of concurrent redemptions: delayed requests, locked rows, and exact counts afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import pytest
from django.db import connection

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import REDEEM, RedemptionRequest, redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.hold_batches import REDEMPTIONS, BlockedLeader, block_leader
from tests.concurrency.schema_changes import function_definition, replace_text, replaced_function
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
    """A customer was refused a slot that was free."""


def redeem_as(customer: Customer, promo_code: PromoCode) -> Redemption:
    """Redeems the code. After PromoExhausted, checks that all slots are taken: no test returns a slot meanwhile."""
    try:
        return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    except PromoExhausted:
        really_taken, cap = live(promo_code), PromoCode.objects.get(id=promo_code.id).max_redemptions
        if really_taken < cap:
            message = f"refused with {really_taken} of {cap} slots taken"
            raise FalseExhausted(message) from None
        raise


def redeem_on(other: Other, customer: Customer, promo_code: PromoCode) -> None:
    """Redeems the code in the other connection's open transaction."""
    request = RedemptionRequest(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    rows = other.execute(REDEEM, [f"[{request.text}]", True]).fetchall()
    assert len(rows) == 1


def live(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code, status__in=["reserved", "confirmed"]).count()


def calls_of(customers: Sequence[Customer], promo_code: PromoCode) -> list[Callable[[], Redemption]]:
    return [partial(redeem_as, customer, promo_code) for customer in customers]


def assert_exactly(promo_code: PromoCode, number: int) -> None:
    """Asserts that the code has this number of redemptions, customers, used slots and entries, and all agree."""
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


def assert_results_are_own(outcome: Race[Redemption], customers: Sequence[Customer]) -> None:
    """Asserts that every customer with a result got their own redemption, equal to the row in the database."""
    for customer, result in zip(customers, outcome.outcomes, strict=True):
        if isinstance(result, Redemption):
            stored = Redemption.objects.get(id=result.id)
            assert (result.customer_id, result.credit_minor) == (customer.pk, stored.credit_minor)
            assert (stored.customer_id, stored.confirmed_at) == (customer.pk, result.confirmed_at)


@contextmanager
def start_behind_leader(
    calls: Sequence[Callable[[], Redemption]],
) -> Iterator[tuple[BlockedLeader, Race[Redemption]]]:
    """Starts the calls while a leader is blocked. At the end the leader continues, and the calls make one batch."""
    with ThreadGroup(len(calls)) as crew, block_leader(REDEMPTIONS) as leader:
        under_way = crew.start(calls)
        leader.wait_for(len(calls))
        yield leader, under_way
        leader.release()
        under_way.finish()


@contextmanager
def patient_batches(function: str) -> Iterator[None]:
    """Lets a batch wait for a lock as long as the test holds it; the service gives up after 250 ms."""
    patient = replace_text(function_definition(function), "'250ms'", "'30s'")
    with replaced_function(function, patient):
        yield


@contextmanager
def held(other: Other, statement: str, value: object) -> Iterator[None]:
    """Locks rows in another transaction, and rolls it back at the end."""
    other.execute(statement.encode(), [value])
    yield
    other.rollback()


def deadlocks() -> int:
    """Returns the number of deadlocks in this database that its connections have reported."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def reporting(call: Callable[[], T]) -> Callable[[], T]:
    """Wraps the call, so that its connection reports its statistics, with its deadlocks, immediately afterwards."""

    def call_and_report() -> T:
        try:
            return call()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_force_next_flush()")

    return call_and_report


def cut_waiting_batch() -> None:
    """Ends the connection of the one batch that waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND (query LIKE '%promos_redeem_and_read(%' OR query LIKE '%orders_place_orders(%')"
        )
        assert cursor.fetchall() == [(True,)]
