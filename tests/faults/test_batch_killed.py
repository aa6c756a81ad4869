"""kill -9 of a process while its batch runs: nothing of the batch is there, or all of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest
from django.db import connection

from billing.models import IdempotencyKey, LedgerEntry
from orders.models import Order, OutboxEvent
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import PromoAlreadyRedeemed
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import redeem
from tests.concurrency.batched_redemptions import patient_batches
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import CustomerFactory, OrganizationFactory, PlanFactory, PromoCodeFactory, acting
from tests.faults.batch_process import STATEMENTS, Requested, run_as_one_batch
from tests.faults.checkout_process import AFTER, BEFORE
from tests.faults.kill_process import (
    PROCESS_TIMEOUT_SECONDS,
    PROCESSES,
    kill,
    receive_report,
    wait_until_backend_is_gone,
)
from tests.faults.scenarios import LOCKED_COUNTERS
from tests.snapshot import snapshot

SIZE = 4

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[[PromoCode], Sequence[Requested]]


def redemptions(promo_code: PromoCode) -> Sequence[Requested]:
    return [(promo_code.code, acting(customer)) for customer in CustomerFactory.create_batch(SIZE)]


def checkouts(promo_code: PromoCode) -> Sequence[Requested]:
    plan = PlanFactory.create()
    return [
        (
            CheckoutRequest(
                tenant_id=organization.id,
                plan=plan.slug,
                promo_code=promo_code.code,
                idempotency_key="key",
                fingerprint="body",
            ),
            acting(organization.customer),
        )
        for organization in OrganizationFactory.create_batch(SIZE)
    ]


either_kind = pytest.mark.parametrize("make", [redemptions, checkouts])


@contextmanager
def running(requested: Sequence[Requested], stop: str | None) -> Iterator[tuple[BaseProcess, Connection]]:
    here, there = PROCESSES.Pipe()
    names = ("NAME", "USER", "HOST", "PORT", "PASSWORD")
    database = {name: connection.settings_dict[name] for name in names}
    process = PROCESSES.Process(target=run_as_one_batch, args=(database, requested, stop, there))
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join(PROCESS_TIMEOUT_SECONDS)
        here.close()


def assert_all_of_it(promo_code: PromoCode, requested: Sequence[Requested]) -> None:
    bought = SIZE if isinstance(requested[0][0], CheckoutRequest) else 0
    assert Redemption.objects.filter(promo_code=promo_code, status="confirmed").count() == SIZE
    assert times_redeemed(promo_code.code) == SIZE
    assert LedgerEntry.objects.filter(kind="grant").count() == SIZE
    assert LedgerEntry.objects.filter(kind="spend").count() == bought
    assert Order.objects.filter(status="completed").count() == OutboxEvent.objects.count() == bought
    assert IdempotencyKey.objects.count() == bought
    assert ledger_and_redemptions_agree()


def run_again(requested: Sequence[Requested]) -> list[bool]:
    """The same requests again, one after the other: whether each was served before."""
    before = []
    for request, by in requested:
        if isinstance(request, CheckoutRequest):
            before.append(place_order(request=request, by=by).replayed)
            continue
        try:
            redeem(code=request, user_id=by.user_id, by=by)
        except PromoAlreadyRedeemed:
            before.append(True)
        else:
            before.append(False)
    return before


@either_kind
@pytest.mark.parametrize("stop", [BEFORE, AFTER])
def test_killed_before_or_after_the_statement_of_the_batch(make: Make, stop: str) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=SIZE)
    requested = make(promo_code)
    before = snapshot()
    with running(requested, stop) as (process, here):
        standing = receive_report(here)
        assert any(statement in standing.statement for statement in STATEMENTS)
        kill(process)
        wait_until_backend_is_gone(standing.backend)
    if stop == BEFORE:
        assert snapshot() == before
    else:
        assert_all_of_it(promo_code, requested)
    assert run_again(requested) == [stop == AFTER] * SIZE
    assert_all_of_it(promo_code, requested)


@either_kind
@pytest.mark.parametrize("cut", [False, True], ids=["it goes on", "its server process is cut"])
def test_killed_while_the_transaction_of_the_batch_waits(make: Make, cut: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=SIZE)
    requested = make(promo_code)
    before = snapshot()
    with patient_batches("promos_redeem"), patient_batches("orders_place_orders"), other_connection() as other:
        other.execute(LOCKED_COUNTERS.encode(), [promo_code.id])
        with running(requested, None) as (process, here):
            backend = receive_report(here).backend
            wait_for_waiters(1)
            kill(process)
            assert snapshot() == before
            if cut:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [backend])
                wait_until_backend_is_gone(backend)
            other.rollback()
            wait_until_backend_is_gone(backend)
    # The server does not look whether its client still lives: uncut it may have gone through to the commit.
    committed = Redemption.objects.exists()
    assert not (cut and committed)
    if committed:
        assert_all_of_it(promo_code, requested)
    else:
        assert snapshot() == before
    assert run_again(requested) == [committed] * SIZE
    assert_all_of_it(promo_code, requested)
