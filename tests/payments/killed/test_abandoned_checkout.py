"""A web process that dies while it waits for Stripe: its customer and its slot are free at once, by no clock."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from orders import process_lock
from orders.errors import PaymentInProgress
from orders.models import Order, Payment
from orders.process_lock import is_abandoned, process_key
from orders.use_cases.payments import open_payment, sweep_payments
from orders.use_cases.payments.open_payment import LEASE
from orders.use_cases.payments.request_session import request_session
from tests.concurrency.wait_for import wait_until
from tests.consistency import times_redeemed
from tests.factories import acting
from tests.payments.buyer import BALANCE_BEFORE_MINOR, Buyer, new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.killed import killable_process
from tests.payments.killed.kill_process import run_until
from tests.payments.killed.test_payment_killed import JOURNEYS
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

WAITING_FOR_STRIPE = {
    "before Stripe has made the session": "before POST checkout/sessions",
    "after Stripe has made the session": "after POST checkout/sessions",
}


def kill_while_it_waits(buyer: Buyer, step: str) -> None:
    """Let another process check out, and kill it at this step of its call to Stripe."""
    action = partial(killable_process.check_out, buyer.request, acting(buyer.customer))
    run_until(action, JOURNEYS["checkout"].index(step) + 1)
    payment = Payment.objects.get()
    assert (payment.status, payment.process_key > 0) == (Payment.Status.REQUESTED, True)
    assert payment.leased_until > timezone.now() + LEASE / 2
    # The server ends the session of a dead process as soon as it reads the closed socket.
    wait_until(lambda: is_abandoned(order_id=payment.pk, now=timezone.now()), "the end of the process's lock")


def retry_under_the_same_key(buyer: Buyer) -> Buyer:
    return buyer


def retry_under_another_key(buyer: Buyer) -> Buyer:
    return buyer.wanting(key="second")


@pytest.mark.parametrize("retry", [retry_under_the_same_key, retry_under_another_key])
@pytest.mark.parametrize("step", WAITING_FOR_STRIPE.values(), ids=WAITING_FOR_STRIPE.keys())
def test_the_customer_goes_on_at_once(stripe: Stripe, step: str, retry: Callable[[Buyer], Buyer]) -> None:
    buyer = new_buyer()
    kill_while_it_waits(buyer, step)

    placed = retry(buyer).check_out()

    assert placed.session_url
    assert [each["id"] for each in stripe.sessions()] == [session_id_of(placed.order_id)]
    assert Order.objects.count() == 1
    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert_books_agree(stripe)


@pytest.mark.parametrize("step", WAITING_FOR_STRIPE.values(), ids=WAITING_FOR_STRIPE.keys())
def test_slot_and_credit_are_free_without_the_customer(stripe: Stripe, step: str) -> None:
    buyer = new_buyer()
    assert buyer.promo_code is not None
    kill_while_it_waits(buyer, step)
    assert times_redeemed(buyer.promo_code) == 1

    swept = sweep_payments.release_abandoned_checkouts()

    assert swept.undone == [str(Order.objects.get().id)]
    assert times_redeemed(buyer.promo_code) == 0
    assert buyer.credit == (BALANCE_BEFORE_MINOR - buyer.promo_code.credit_minor, 0)
    run_until_idle(stripe)
    assert_books_agree(stripe)


class StillWaiting(Exception):
    """Ends a request of this process while its payment is requested, as if it waited for Stripe for ever."""


@pytest.fixture
def waiting(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> Buyer:
    """A customer for whom this process, which lives, waits for Stripe."""
    buyer = new_buyer()

    def wait(*_: object, **__: object) -> None:
        raise StillWaiting

    with monkeypatch.context() as during:
        during.setattr(open_payment, "request_session", wait)
        with pytest.raises(StillWaiting):
            buyer.check_out()
    return buyer


def test_a_live_process_keeps_its_payment(waiting: Buyer) -> None:
    with nothing_changes():
        assert sweep_payments.release_abandoned_checkouts().undone == []
        with pytest.raises(PaymentInProgress):
            waiting.wanting(key="second").check_out()
    assert sweep_payments.release_abandoned_checkouts(now=timezone.now() + LEASE).undone


def test_a_live_process_takes_its_lock_again_after_it_lost_its_connection(waiting: Buyer) -> None:
    payment = Payment.objects.get()
    end_session_of_lock()
    wait_until(lambda: not is_abandoned(order_id=payment.pk, now=timezone.now()), "the lock is held again")
    assert process_key() == payment.process_key
    assert sweep_payments.release_abandoned_checkouts().undone == []


def test_after_a_restart_of_postgresql_the_clock_decides(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The restart is acted out: the server's start is read as later than the request."""
    kill_while_it_waits(new_buyer(), "before POST checkout/sessions")
    payment = Payment.objects.get()
    restarted = process_lock._ABANDONED.replace("pg_postmaster_start_time()", "now()")
    monkeypatch.setattr(process_lock, "_ABANDONED", restarted)
    now = timezone.now()
    assert not is_abandoned(order_id=payment.pk, now=now)
    assert is_abandoned(order_id=payment.pk, now=now + LEASE)


def test_of_two_that_take_over_one_asks_stripe(stripe: Stripe) -> None:
    kill_while_it_waits(new_buyer(), "before POST checkout/sessions")
    order_id, now = Payment.objects.get().pk, timezone.now()
    assert open_payment.take_over_request(order_id=order_id, now=now)
    assert not open_payment.take_over_request(order_id=order_id, now=now)


def test_a_payment_that_was_taken_over_ends_once_where_the_first_process_lives(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock looked free while the process lived: both get the same session, and both answers are right."""
    buyer = new_buyer()
    answers = []

    def take_over_first(order: Order, **more: object) -> object:
        monkeypatch.undo()
        Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        answers.append(buyer.wanting(key="second").check_out())
        return request_session(order, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(open_payment, "request_session", take_over_first)
    answers.append(buyer.check_out())
    assert len({each.session_url for each in answers}) == 1
    assert len(stripe.sessions()) == 1
    run_until_idle(stripe)
    assert_books_agree(stripe)


def end_session_of_lock() -> None:
    """Ends it, and waits until it is gone: until then the old session still holds the lock."""
    settings = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE application_name = 'qasima process lock' AND datname = %s",
            [settings["NAME"]],
        )
        ended = cursor.fetchall()
    assert ended
    assert all(is_gone for (is_gone,) in ended)
