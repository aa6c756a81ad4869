"""SIGKILL at every step of a card payment, before and after each commit and each call; then a restart and a sweep.

No voucher is lost, no credit is lost or held for ever, no card is charged twice, and the customer's retry under the
same key succeeds.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from orders.models import Order
from orders.use_cases.payments import open_payment
from tests.consistency import times_redeemed
from tests.factories import acting, actor
from tests.payments import stripe_failures
from tests.payments.buyer import (
    BALANCE_AFTER_MINOR,
    BALANCE_BEFORE_MINOR,
    CHARGED_MINOR,
    Buyer,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, find_disagreements
from tests.payments.killed import killable_process
from tests.payments.killed.kill_process import Action, before_and_after, case_namer, every_step, restart, run_until
from tests.payments.stripe_failures import LASTING, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)

# The transactions before and after the calls to Stripe.
PLACE_ORDER = RECORD_SESSION = "a commit"
OPEN_SESSION = [
    "POST customers",
    "writing billing_customer",
    "writing orders_payment",
    "POST coupons",
    "POST checkout/sessions",
]
JOURNEYS: dict[str, list[str]] = {
    "checkout": before_and_after(PLACE_ORDER, *OPEN_SESSION, RECORD_SESSION),
    "refused checkout": before_and_after(PLACE_ORDER, *OPEN_SESSION, RECORD_SESSION),
    "settlement": before_and_after("a commit", "a commit"),
    "refund": before_and_after(
        "a commit", "GET invoice_payments", "GET refunds", "POST refunds", "GET charges", "a commit"
    ),
    "sweep": before_and_after(
        "a commit",
        "a commit",
        "POST coupons",
        "POST checkout/sessions",
        "POST checkout/sessions/*/expire",
        "writing orders_payment",
    ),
}
CASES = every_step(JOURNEYS)


def prepare(journey: str, buyer: Buyer, stripe: Stripe, patch: pytest.MonkeyPatch) -> Action:
    """Do what must happen before the journey, and return the action for the other process."""
    if journey in ("checkout", "refused checkout"):
        if journey == "refused checkout":
            stripe.fault(**fault_for(stripe_failures.CREATE_SESSION, "402", LASTING))
        return partial(killable_process.check_out, buyer.request, acting(buyer.customer))
    if journey == "sweep":
        with patch.context() as during:
            during.setattr(open_payment, "record_session", _die)
            with pytest.raises(_ProcessDied):
                buyer.check_out()
        return partial(killable_process.sweep, timezone.now() + timedelta(hours=1))
    placed = buyer.check_out()
    stripe.pay(session_id_of(placed.order_id))
    if journey == "settlement":
        return partial(killable_process.receive_and_settle, newest_event(stripe, "checkout.session.completed"))
    assert journey == "refund"
    # Skip the job that links the payment to its charge, so that the refund has to look for it.
    with patch.context() as during:
        during.setattr("orders.use_cases.payments.settle_payment.enqueue", lambda *_, **__: None)
        run_until_idle(stripe)
    return partial(killable_process.refund_everything, placed.order_id, actor())


class _ProcessDied(BaseException):
    """A process that ends here."""


def _die(**_: object) -> None:
    raise _ProcessDied


@pytest.mark.parametrize("journey", JOURNEYS)
def test_each_journey_has_exactly_these_steps(stripe: Stripe, journey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buyer = new_buyer()
    assert run_until(prepare(journey, buyer, stripe, monkeypatch), None) == JOURNEYS[journey]


def test_the_number_of_cases_is_known() -> None:
    assert len(CASES) == 14 + 14 + 4 + 12 + 12


@pytest.mark.parametrize("case", CASES, ids=case_namer(JOURNEYS))
def test_a_payment_survives_a_kill_at_any_step(
    stripe: Stripe, case: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    journey, number = case
    buyer = new_buyer()
    assert buyer.promo_code is not None
    action = prepare(journey, buyer, stripe, monkeypatch)

    assert run_until(action, number) == JOURNEYS[journey][:number]

    restart(stripe)
    assert_books_agree(stripe)
    if journey == "refund":
        assert_refunded_completely_or_not(buyer, stripe)
        return
    placed = buyer.check_out()
    if order_status(placed.order_id) == Order.Status.PENDING:
        stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert buyer.credit == (BALANCE_AFTER_MINOR, 0)
    assert times_redeemed(buyer.promo_code) == 1


def assert_refunded_completely_or_not(buyer: Buyer, stripe: Stripe) -> None:
    [charge] = stripe.charges()
    [order] = Order.objects.all()
    expected = {
        Order.Status.COMPLETED: (0, BALANCE_AFTER_MINOR),
        Order.Status.REFUNDED: (CHARGED_MINOR, BALANCE_BEFORE_MINOR),
    }
    assert (charge["amount_refunded"], buyer.account.balance_minor) == expected[Order.Status(order.status)]


@pytest.mark.parametrize(
    ("control", "journey"),
    [
        ("grant before the session", "checkout"),
        ("grant before the order", "checkout"),
        ("failure before the voucher", "refused checkout"),
    ],
)
def test_control_a_misplaced_commit_is_noticed(
    stripe: Stripe, control: str, journey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed_at = []
    for number in range(1, len(JOURNEYS[journey]) + 3):
        stripe.reset()
        buyer = new_buyer()
        steps = run_until(prepare(journey, buyer, stripe, monkeypatch), number, control=control)
        if len(steps) < number:
            break
        restart(stripe)
        if any("voucher is spent" in each or "reserved" in each for each in find_disagreements(stripe)):
            noticed_at.append(number)
    assert noticed_at
