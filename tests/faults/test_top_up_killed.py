"""kill -9 at every step of a top-up under a key: nothing of it is there or all of it, and a retry makes it whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Account, IdempotencyKey, LedgerEntry
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.use_cases.top_up import ToppedUp, top_up
from promos.errors import PromoAlreadyRedeemed
from promos.models import PromoCounter, Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import PromoCodeFactory, actor
from tests.faults.checkout_process import AFTER, BEFORE, COMMITTED, redeem_code
from tests.faults.kill_process import (
    PROCESS_TIMEOUT_SECONDS,
    PROCESSES,
    kill,
    receive_report,
    wait_until_backend_is_gone,
)
from tests.snapshot import nothing_changes, snapshot

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

CREDIT_MINOR = 12_000
ADA = actor("customer", user_id="ada")
# The statements of a top-up under a key; BEGIN and COMMIT are none. The commit is after the last of them.


@contextmanager
def top_up_process(key: str, stop: tuple[int, str]) -> Iterator[tuple[BaseProcess, Connection, int]]:
    """A top-up under way in another process: the process, its messages, and its server process."""
    here, there = PROCESSES.Pipe()
    database = {name: connection.settings_dict[name] for name in ("NAME", "USER", "HOST", "PORT", "PASSWORD")}
    process = PROCESSES.Process(target=redeem_code, args=(database, ("GIFT", key), ADA, stop, there))
    process.start()
    there.close()
    try:
        yield process, here, receive_report(here).backend
    finally:
        process.kill()
        process.join(PROCESS_TIMEOUT_SECONDS)
        here.close()


def redeem(key: str) -> ToppedUp:
    return top_up(code="GIFT", by=ADA, idempotency_key=key, fingerprint="GIFT")


def assert_whole(answer: ToppedUp) -> None:
    """The redemption is there once, with its entry and its credit."""
    redemption = Redemption.objects.get()
    assert LedgerEntry.objects.get().redemption_id == redemption.id
    assert Account.objects.get().balance_minor == answer.balance_minor == answer.credit_minor == CREDIT_MINOR
    assert verify_ledger().sound
    assert verify_redemptions() is None


def test_a_top_up_is_one_statement_that_commits_by_itself() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=9)
    ensure_customer(user_id="ada", email=ADA.email)
    with CaptureQueriesContext(connection) as captured:
        redeem("key")
    [redeems] = captured.captured_queries
    assert "promos_redeem_and_read" in redeems["sql"]


@either_code
def test_killed_before_its_statement_it_leaves_nothing(hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=CREDIT_MINOR, max_redemptions=9, hot=hot)
    ensure_customer(user_id="ada", email=ADA.email)
    before = snapshot()
    with top_up_process("key", (1, BEFORE)) as (process, here, backend):
        receive_report(here)
        kill(process)
        wait_until_backend_is_gone(backend)
    assert snapshot() == before
    answer = redeem("key")
    assert not answer.replayed
    assert_whole(answer)


# A user's first act: the code is tried and explained, the customer made, and the code tried again.
@either_code
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_killed_in_a_first_act_it_leaves_no_redemption(number: int, when: str, hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=CREDIT_MINOR, max_redemptions=9, hot=hot)
    with top_up_process("key", (number, when)) as (process, here, backend):
        receive_report(here)
        kill(process)
        wait_until_backend_is_gone(backend)
    assert not Redemption.objects.exists()
    assert not LedgerEntry.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert PromoCounter.objects.filter(used__gt=0).count() == 0
    answer = redeem("key")
    assert not answer.replayed
    assert_whole(answer)


@either_code
@pytest.mark.parametrize("key", ["key", ""])
def test_killed_between_commit_and_answer_a_retry_has_no_second_effect(key: str, hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=CREDIT_MINOR, max_redemptions=9, hot=hot)
    with top_up_process(key, COMMITTED) as (process, here, backend):
        receive_report(here)
        kill(process)
        wait_until_backend_is_gone(backend)
    with nothing_changes():
        if key:
            answer = redeem(key)
            assert answer.replayed
            assert IdempotencyKey.objects.get().result_id == Redemption.objects.get().id
            assert_whole(answer)
        else:
            with pytest.raises(PromoAlreadyRedeemed):
                redeem(key)
