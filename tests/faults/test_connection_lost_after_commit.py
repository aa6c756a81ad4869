"""The connection is lost between a commit and its answer, without an idempotency key."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from billing.errors import OutcomeUnknown
from billing.group_commit import GroupCommit
from billing.models import Customer, LedgerEntry
from orders.errors import AlreadySubscribed
from orders.models import Order
from orders.use_cases.checkout import batched_checkout, place_order
from orders.use_cases.checkout.checkout_context import forget_priced_baskets
from orders.use_cases.top_up import top_up
from promos.use_cases import redeem_code
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


@pytest.mark.usefixtures("lost_checkouts")
def test_a_checkout_that_cannot_look_says_so_and_its_retry_answers_its_order(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credit(ada, 10_000)

    def fail(*args: Any, **options: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(place_order, "find_placed_order", fail)
        with pytest.raises(OutcomeUnknown):
            buy("m")
    retried = buy("m")
    assert (retried.order_id, retried.balance_minor) == (Order.objects.get().id, 1_000)
    with pytest.raises(AlreadySubscribed):
        buy("m")


def test_a_top_up_answers_the_redemption_that_it_made(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = losing_connection_after(redeem_code.redeem_batch)
    monkeypatch.setattr(redeem_code, "_group", GroupCommit(lost))
    PromoCodeFactory.create(code="GIFT", credit_minor=12_000)
    topped_up = top_up(code="gift", by=acting(ada))
    assert (topped_up.credit_minor, topped_up.balance_minor) == (12_000, 12_000)
    assert LedgerEntry.objects.count() == 1
