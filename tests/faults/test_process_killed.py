"""kill -9 at every step of a checkout leaves all of it or nothing, and a retry makes it complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from billing.errors import OutcomeUnknown
from billing.models import Account, IdempotencyKey, Invoice, LedgerEntry, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Order, OutboxEvent
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.models import PromoCode, Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.consistency import times_redeemed
from tests.factories import acting
from tests.faults.checkout_process import AFTER, BEFORE, check_out
from tests.faults.kill_process import (
    PROCESS_TIMEOUT_SECONDS,
    PROCESSES,
    kill,
    receive_report,
    wait_until_backend_is_gone,
)
from tests.faults.scenarios import CREDIT_MINOR, PREVIOUS_PRICE_MINOR, Shop, shop
from tests.snapshot import snapshot, without_audit

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

TOTAL_MINOR = 16_000 + 3_000

# A name in each statement of a checkout with a key and a voucher: the first reads, the second writes.
STATEMENTS = ("billing_idempotencykey", "orders_place_orders")
STEPS = [(number, when) for number in range(1, len(STATEMENTS) + 1) for when in (BEFORE, AFTER)]

# The locks that the transaction takes one after another; a session that holds one makes it wait there.
LOCKS = {
    "the account": "SELECT FROM billing_account WHERE customer_id = {customer} FOR NO KEY UPDATE",
    "the organization": "SELECT FROM billing_organization WHERE id = '{organization}' FOR NO KEY UPDATE",
    "the subscription": "SELECT FROM billing_subscription WHERE organization_id = '{organization}' FOR UPDATE",
    "the code": "SELECT pg_advisory_xact_lock(promos_lock_key('{promo_code}'))",
    "the counters": "SELECT FROM promos_promocounter WHERE promo_code_id = '{promo_code}' FOR NO KEY UPDATE",
}


def request_of(shopping: Shop) -> CheckoutRequest:
    assert shopping.promo_code is not None
    return CheckoutRequest(
        tenant_id=shopping.organization.id,
        plan=shopping.plan.slug,
        addons=(shopping.addon.slug,),
        promo_code=shopping.promo_code.code,
        idempotency_key="key",
        fingerprint="body",
    )


@contextmanager
def checkout_process(shopping: Shop, stop: tuple[int, str] | None) -> Iterator[tuple[BaseProcess, Connection, int]]:
    """Run a checkout in another process; yield the process, its messages and its server process."""
    here, there = PROCESSES.Pipe()
    names = ("NAME", "USER", "HOST", "PORT", "PASSWORD")
    database = {name: connection.settings_dict[name] for name in names}
    process = PROCESSES.Process(
        target=check_out, args=(database, request_of(shopping), acting(shopping.customer), stop, there)
    )
    process.start()
    there.close()
    try:
        yield process, here, receive_report(here).backend
    finally:
        process.kill()
        process.join(PROCESS_TIMEOUT_SECONDS)
        here.close()


def price_unused_month(replaced: Subscription, *, since: datetime) -> int:
    """Return what the rest of the replaced subscription's month cost: to the second, rounded down."""
    unused_seconds = (replaced.current_period_end - since) // timedelta(seconds=1)
    month_seconds = (replaced.current_period_end - replaced.current_period_start) // timedelta(seconds=1)
    return PREVIOUS_PRICE_MINOR * unused_seconds // month_seconds


def assert_complete(shopping: Shop, placed: PlacedOrder) -> None:
    """Assert that the order exists once with all its records, and no other record."""
    assert isinstance(shopping.promo_code, PromoCode)
    customer = shopping.customer
    order = Order.objects.get(customer=customer, promo_code_id=shopping.promo_code.id)
    assert (order.id, order.status, order.total_minor) == (placed.order_id, "completed", TOTAL_MINOR)
    assert placed.balance_minor == Account.objects.get(customer=customer).balance_minor
    replaced = Subscription.objects.get(customer=customer, status__in=ENDED_STATUSES)
    unused_minor = price_unused_month(replaced, since=order.created_at)
    assert placed.balance_minor == CREDIT_MINOR + unused_minor - TOTAL_MINOR
    entries = LedgerEntry.objects.filter(order_id=order.id).order_by("version")
    assert [entry.amount_minor for entry in entries] == [CREDIT_MINOR, unused_minor, -TOTAL_MINOR]
    assert entries[1].reason == f"proration:{replaced.id}"
    redemption = Redemption.objects.get(promo_code=shopping.promo_code)
    assert (redemption.order_id, redemption.status) == (order.id, "confirmed")
    assert times_redeemed(shopping.promo_code) == 1
    live = Subscription.objects.exclude(status__in=ENDED_STATUSES).get(customer=customer)
    assert live.order_id == order.id
    assert Invoice.objects.filter(order_id=order.id).count() == 1
    assert OutboxEvent.objects.filter(order_id=order.id, type="order.placed").count() == 1
    assert IdempotencyKey.objects.get(customer=customer).result_id == order.id
    assert order.lines.count() == 2
    assert Order.objects.count() == OutboxEvent.objects.count() == 2  # with the order that it replaces
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, count(*) FROM procrastinate_jobs GROUP BY task_name")
        assert dict(cursor.fetchall()) == {"provision_organization": 2, "send_mail": 2}
    assert verify_ledger().sound
    assert verify_redemptions() is None


def assert_retry_is_complete(shopping: Shop, *, replayed: bool) -> None:
    placed = place_order(request=request_of(shopping), by=acting(shopping.customer))
    assert placed.replayed is replayed
    assert_complete(shopping, placed)
    after = snapshot()
    again = place_order(request=request_of(shopping), by=acting(shopping.customer))
    assert (again.order_id, again.balance_minor, again.replayed) == (
        placed.order_id,
        placed.balance_minor,
        True,
    )
    assert snapshot() == after


def test_a_checkout_has_exactly_these_statements() -> None:
    shopping = shop()
    with CaptureQueriesContext(connection) as captured:
        place_order(request=request_of(shopping), by=acting(shopping.customer))
    assert len(captured.captured_queries) == len(STATEMENTS)
    for query, about in zip(captured.captured_queries, STATEMENTS, strict=True):
        assert about in query["sql"]


@either_code
@pytest.mark.parametrize(("number", "when"), STEPS, ids=[f"{when}-{STATEMENTS[n - 1]}" for n, when in STEPS])
def test_a_checkout_killed_at_a_step_is_complete_after_a_retry(number: int, when: str, hot: bool) -> None:
    shopping = shop(hot=hot)
    before = snapshot()
    with checkout_process(shopping, (number, when)) as (process, here, backend):
        assert STATEMENTS[number - 1] in receive_report(here).statement
        kill(process)
        wait_until_backend_is_gone(backend)

    committed = (number, when) == STEPS[-1]
    if not committed:
        assert snapshot() == before
    assert_retry_is_complete(shopping, replayed=committed)


@either_code
@pytest.mark.parametrize("lock", LOCKS)
def test_a_checkout_killed_while_it_waits_for_a_lock_is_complete_after_a_retry(lock: str, hot: bool) -> None:
    shopping = shop(hot=hot)
    before = snapshot()
    with other_connection() as other:
        other.execute(lock_statement(shopping, lock))
        with checkout_process(shopping, None) as (process, _, backend):
            wait_for_waiters(1)
            kill(process)
            assert snapshot() == before
            other.rollback()
            wait_until_backend_is_gone(backend)

    # The server does not check whether its client lives, so it may have committed.
    committed = Order.objects.count() == 2
    if not committed:
        assert snapshot() == before
    assert_retry_is_complete(shopping, replayed=committed)


@either_code
@pytest.mark.parametrize("lock", LOCKS)
def test_a_checkout_whose_connection_is_cut_while_it_waits_for_a_lock_is_complete_after_a_retry(
    lock: str, hot: bool
) -> None:
    shopping = shop(hot=hot)
    before = without_audit(snapshot())

    def buy() -> str:
        try:
            place_order(request=request_of(shopping), by=acting(shopping.customer))
        except OutcomeUnknown as unknown:
            assert isinstance(unknown.__cause__, OperationalError)
            return type(unknown.__cause__.__cause__).__name__
        return "placed"

    with ThreadGroup(1) as threads, other_connection() as other:
        other.execute(lock_statement(shopping, lock))
        in_flight = threads.start([buy])
        wait_for_waiters(1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            [(backend, was_cut)] = cursor.fetchall()
        assert was_cut
        assert in_flight.finish().values == ["AdminShutdown"]
        wait_until_backend_is_gone(backend)
        assert without_audit(snapshot()) == before
        other.rollback()

    assert without_audit(snapshot()) == before
    assert_retry_is_complete(shopping, replayed=False)


def lock_statement(shopping: Shop, lock: str) -> bytes:
    assert shopping.promo_code is not None
    return (
        LOCKS[lock]
        .format(
            customer=shopping.customer.pk,
            organization=shopping.organization.id,
            promo_code=shopping.promo_code.id,
        )
        .encode()
    )
