"""The connection is lost between a commit and its answer, without an idempotency key."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from billing.database.group_commit import GroupCommit
from billing.errors import OutcomeUnknown
from billing.models import AuditEntry, Customer, LedgerEntry
from billing.use_cases import find_after_lost_connection
from billing.use_cases.find_after_lost_connection import find_or_remember, find_unknown
from billing.use_cases.record_audit import record_audit
from orders.errors import AlreadySubscribed
from orders.models import Order
from orders.use_cases import top_up as top_up_module
from orders.use_cases.checkout import batched_checkout, place_order
from orders.use_cases.checkout.checkout_context import forget_priced_baskets
from orders.use_cases.top_up import top_up
from promos.errors import PromoProblem
from promos.use_cases import redeem_code
from tests.concurrency.wait_for import wait_until
from tests.factories import PromoCodeFactory, acting, give_credit
from tests.orders.conftest import Buy, acme, ada, buy, catalog

__all__ = ["acme", "ada", "buy", "catalog"]

pytestmark = pytest.mark.django_db(transaction=True)


def losing_connection_after(run: Callable[..., Any]) -> Callable[..., Any]:
    """Runs, which commits, and then ends its own connection, as a server that shuts down does."""

    def run_and_lose(*args: Any, **options: Any) -> Any:
        answer = run(*args, **options)
        if connection.in_atomic_block or not any(answer):
            return answer
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return answer

    return run_and_lose


@pytest.fixture
def lost_checkouts(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = losing_connection_after(batched_checkout.place_batch)
    monkeypatch.setattr(batched_checkout, "place_batch", lost)
    monkeypatch.setattr(batched_checkout, "_group", GroupCommit(lost))


@pytest.mark.parametrize("batched", [False, True], ids=["alone", "batched"])
@pytest.mark.usefixtures("lost_checkouts")
def test_a_checkout_answers_the_order_that_it_placed(ada: Customer, buy: Buy, batched: bool) -> None:
    if batched:
        with pytest.raises(Exception, match="processor"):
            buy("m")
    else:
        forget_priced_baskets()
    give_credit(ada, 10_000)
    placed = buy("m")
    assert (placed.order_id, placed.balance_minor) == (Order.objects.get().id, 1_000)
    with pytest.raises(AlreadySubscribed):
        buy("m")


def answer_unknown(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let the act commit, lose its connection, and find the database away when it looks for what it has written."""

    def fail(*args: Any, **options: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(place_order, "find_placed_order", fail)
        patched.setattr(top_up_module, "_find_redeemed", fail)
        with pytest.raises(OutcomeUnknown):
            act()


@pytest.mark.usefixtures("lost_checkouts")
@pytest.mark.parametrize("process", ["same process", "another process"])
@pytest.mark.parametrize("code", ["", "GIFT"], ids=["without a code", "with a code"])
def test_a_checkout_that_cannot_look_says_so_and_its_retry_answers_its_order(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch, process: str, code: str
) -> None:
    give_credit(ada, 9_000)
    PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=1)
    answer_unknown(monkeypatch, lambda: buy("m", promo_code=code))
    if process == "another process":
        forget_priced_baskets()
    retried = buy("m", promo_code=code)
    assert (retried.order_id, retried.balance_minor) == (Order.objects.get().id, 1_000 if code else 0)
    with pytest.raises(PromoProblem if code else AlreadySubscribed):
        buy("m", promo_code=code)


@pytest.mark.usefixtures("lost_checkouts")
def test_an_unknown_checkout_is_remembered_once_the_database_is_back(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credit(ada, 10_000)
    write, failures = record_audit, iter(range(2))

    def fail_twice(**entry: Any) -> AuditEntry:
        if next(failures, None) is not None:
            raise OperationalError("the database is away")
        return write(**entry)

    monkeypatch.setattr(find_after_lost_connection, "record_audit", fail_twice)
    answer_unknown(monkeypatch, lambda: buy("m"))
    wait_until(lambda: AuditEntry.objects.filter(action="checkout.outcome_unknown").exists(), "the entry")
    forget_priced_baskets()
    assert buy("m").order_id == Order.objects.get().id


def test_a_try_that_was_answered_is_not_answered_a_second_time(ada: Customer) -> None:
    by, now = acting(ada), timezone.now()
    find = partial(find_unknown, "checkout", "the request", by=by, now=now, find=lambda tried_at: tried_at)
    for tried_at in (now, now + timedelta(seconds=1)):
        with pytest.raises(OutcomeUnknown):
            find_or_remember(
                OperationalError(), "checkout", "the request", by=by, tried_at=tried_at, find=lambda _: None
            )
        assert (find(), find()) == (tried_at, None)


def test_another_customer_or_basket_does_not_find_an_unknown_order(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credit(ada, 50_000)
    buy("m")
    monkeypatch.setattr(batched_checkout, "place_batch", losing_connection_after(batched_checkout.place_batch))
    monkeypatch.setattr(batched_checkout, "_group", GroupCommit(batched_checkout.place_batch))
    answer_unknown(monkeypatch, lambda: buy("l"))
    with pytest.raises(AlreadySubscribed):
        buy("l", apps=("ghost",))
    assert Order.objects.count() == 2


def test_a_top_up_that_cannot_look_says_so_and_its_retry_answers_its_redemption(
    ada: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = losing_connection_after(redeem_code.redeem_batch)
    monkeypatch.setattr(redeem_code, "_group", GroupCommit(lost))
    PromoCodeFactory.create(code="GIFT", credit_minor=12_000, max_redemptions=1)
    answer_unknown(monkeypatch, lambda: top_up(code="gift", by=acting(ada)))
    retried = top_up(code=" Gift", by=acting(ada))
    assert (retried.credit_minor, retried.balance_minor) == (12_000, 12_000)
    with pytest.raises(PromoProblem):
        top_up(code="gift", by=acting(ada))
    assert LedgerEntry.objects.count() == 1


def test_a_top_up_answers_the_redemption_that_it_made(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = losing_connection_after(redeem_code.redeem_batch)
    monkeypatch.setattr(redeem_code, "_group", GroupCommit(lost))
    PromoCodeFactory.create(code="GIFT", credit_minor=12_000)
    topped_up = top_up(code="gift", by=acting(ada))
    assert (topped_up.credit_minor, topped_up.balance_minor) == (12_000, 12_000)
    assert LedgerEntry.objects.count() == 1
