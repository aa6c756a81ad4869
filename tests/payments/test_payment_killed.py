"""kill -9 at every step of a card payment, before and after each commit and each call; then restart and sweep.

Nothing is burned, lost, charged twice or held for ever, and the customer's retry under the same key succeeds.
"""

import multiprocessing
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from orders.models import Order, Payment
from orders.use_cases import open_payment
from tests.concurrency.counting import times_redeemed
from tests.concurrency.watching import wait_until
from tests.factories import acting, actor
from tests.payments import failures, payment_process
from tests.payments.books import books_agree, disagreements
from tests.payments.failures import LASTING, switch
from tests.payments.payment_process import Setting, Told
from tests.payments.shopping import (
    CHARGED_MINOR,
    CREDIT_MINOR,
    TOTAL_MINOR,
    VOUCHER_MINOR,
    Shop,
    event_of,
    open_shop,
    session_of,
    status_of,
)
from tests.payments.stripe_process import Stripe
from tests.payments.working import work_until_quiet

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60
LEFT_MINOR = CREDIT_MINOR + VOUCHER_MINOR - (TOTAL_MINOR - CHARGED_MINOR)

# Children of a process that has loaded Django and nothing else: no connection and no thread is inherited.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.payments.payment_process"])

Act = Callable[[], object]


def both(*events: str) -> list[str]:
    """Before and after each."""
    return [f"{when} {event}" for event in events for when in ("before", "after")]


T1 = T2 = "a commit"
ASKING = [
    "POST customers",
    "writing billing_customer",
    "writing orders_payment",
    "POST coupons",
    "POST checkout/sessions",
]
JOURNEYS: dict[str, list[str]] = {
    "checkout": both(T1, *ASKING, T2),
    "refused checkout": both(T1, *ASKING, T2),
    "settlement": both("a commit", "a commit"),
    "refund": both("a commit", "GET invoice_payments", "GET refunds", "POST refunds", "GET charges", "a commit"),
    "sweep": both(
        "a commit",
        "POST coupons",
        "POST checkout/sessions",
        "POST checkout/sessions/*/expire",
        "writing orders_payment",
    ),
}
CASES = [(journey, number) for journey, steps in JOURNEYS.items() for number in range(1, len(steps) + 1)]


def named(case: tuple[str, int]) -> str:
    journey, number = case
    return f"{journey} {number} {JOURNEYS[journey][number - 1]}"


def setting() -> Setting:
    names = ("NAME", "USER", "HOST", "PORT", "PASSWORD")
    keys = ("STRIPE_API_BASE", "INITIAL_STRIPE_SECRET_KEY", "INITIAL_STRIPE_WEBHOOK_SECRET")
    return Setting(
        database={name: connection.settings_dict[name] for name in names},
        values={name: getattr(settings, name) for name in keys},
    )


def run_until(act: Act, stop: int | None, *, control: str = "") -> list[str]:
    """Does it in another process, kills that at the step, and returns the steps it came to."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=payment_process.run, args=(setting(), act, stop, control, there))
    process.start()
    there.close()
    steps: list[str] = []
    backend = 0
    try:
        while stop is None or len(steps) < stop:
            assert here.poll(PATIENCE_SECONDS), f"the process says nothing after {steps}"
            told: Any = here.recv()
            if not isinstance(told, Told):
                break
            backend = told.backend
            steps.append(told.step)
        if stop is None or len(steps) < stop:
            process.join(PATIENCE_SECONDS)
        else:
            process.kill()
            process.join(PATIENCE_SECONDS)
            assert process.exitcode == -signal.SIGKILL
    finally:
        process.kill()
        process.join(PATIENCE_SECONDS)
        here.close()
    wait_until(partial(_is_gone, backend), "the end of the server process")
    return steps


def _is_gone(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
        return bool(cursor.fetchone()[0])


def prepare(journey: str, shop: Shop, stripe: Stripe, patch: pytest.MonkeyPatch) -> Act:
    """What another process is to do, after what must have happened before."""
    if journey in ("checkout", "refused checkout"):
        if journey == "refused checkout":
            stripe.fault(**switch(failures.SESSION, "402", LASTING))
        return partial(payment_process.check_out, shop.request, acting(shop.customer))
    if journey == "sweep":
        with patch.context() as during:
            during.setattr(open_payment, "record_session", _dies)
            with pytest.raises(_Died):
                shop.check_out()
        return partial(payment_process.sweep, timezone.now() + timedelta(hours=1))
    placed = shop.check_out()
    stripe.pay(session_of(placed.order_id))
    if journey == "settlement":
        return partial(payment_process.receive_and_settle, event_of(stripe, "checkout.session.completed"))
    assert journey == "refund"
    # The job that asks which payment it was is left undone: the refund asks itself.
    with patch.context() as during:
        during.setattr("orders.use_cases.settle_payment.enqueue", lambda *_, **__: None)
        work_until_quiet(stripe)
    return partial(payment_process.give_back, placed.order_id, actor())


class _Died(BaseException):
    """A process that ends here."""


def _dies(**_: object) -> None:
    raise _Died


def restart(stripe: Stripe) -> None:
    """What the process might still have been doing is nobody's any more."""
    stripe.heal()
    Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    work_until_quiet(stripe)


@pytest.mark.parametrize("journey", JOURNEYS)
def test_these_are_all_the_steps(stripe: Stripe, journey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop()
    assert run_until(prepare(journey, shop, stripe, monkeypatch), None) == JOURNEYS[journey]


def test_these_are_all_the_cases() -> None:
    assert len(CASES) == 12 + 12 + 4 + 12 + 10


@pytest.mark.parametrize("case", CASES, ids=named)
def test_killed(stripe: Stripe, case: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    journey, number = case
    shop = open_shop()
    assert shop.promo_code is not None
    act = prepare(journey, shop, stripe, monkeypatch)

    assert run_until(act, number) == JOURNEYS[journey][:number]

    restart(stripe)
    books_agree(stripe)
    if journey == "refund":
        assert_refunded_or_not_at_all(shop, stripe)
        return
    placed = shop.check_out()
    if status_of(placed.order_id) == Order.Status.PENDING:
        stripe.pay(session_of(placed.order_id))
    work_until_quiet(stripe)
    books_agree(stripe)
    assert status_of(placed.order_id) == Order.Status.COMPLETED
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert (shop.account.balance_minor, shop.account.held_minor) == (LEFT_MINOR, 0)
    assert times_redeemed(shop.promo_code) == 1


def assert_refunded_or_not_at_all(shop: Shop, stripe: Stripe) -> None:
    [charge] = stripe.charges()
    [order] = Order.objects.all()
    expected = {
        Order.Status.COMPLETED: (0, LEFT_MINOR),
        Order.Status.REFUNDED: (CHARGED_MINOR, CREDIT_MINOR + VOUCHER_MINOR),
    }
    assert (charge["amount_refunded"], shop.account.balance_minor) == expected[Order.Status(order.status)]


@pytest.mark.parametrize(
    ("control", "journey"),
    [
        ("grant before the session", "checkout"),
        ("grant before the order", "checkout"),
        ("failure before the voucher", "refused checkout"),
    ],
)
def test_control_a_commit_in_the_wrong_place_is_seen(
    stripe: Stripe, control: str, journey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = []
    for number in range(1, len(JOURNEYS[journey]) + 3):
        stripe.reset()
        shop = open_shop()
        steps = run_until(prepare(journey, shop, stripe, monkeypatch), number, control=control)
        if len(steps) < number:
            break
        restart(stripe)
        if any("burned" in each or "reserved" in each for each in disagreements(stripe)):
            caught.append(number)
    assert caught
