"""kill -9 at every step of a card payment, before and after each commit and each call; then restart and sweep.

Nothing is burned, lost, charged twice or held for ever, and the customer's retry under the same key succeeds.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from orders.models import Order
from orders.use_cases.payments import open_payment
from tests.consistency import times_redeemed
from tests.factories import acting, actor
from tests.payments import failures, payment_process
from tests.payments.books import books_agree, disagreements
from tests.payments.failures import LASTING, switch
from tests.payments.killing import Act, both, every_step, namer, restart, run_until
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

LEFT_MINOR = CREDIT_MINOR + VOUCHER_MINOR - (TOTAL_MINOR - CHARGED_MINOR)

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
CASES = every_step(JOURNEYS)


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
        during.setattr("orders.use_cases.payments.settle_payment.enqueue", lambda *_, **__: None)
        work_until_quiet(stripe)
    return partial(payment_process.give_back, placed.order_id, actor())


class _Died(BaseException):
    """A process that ends here."""


def _dies(**_: object) -> None:
    raise _Died


@pytest.mark.parametrize("journey", JOURNEYS)
def test_these_are_all_the_steps(stripe: Stripe, journey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop()
    assert run_until(prepare(journey, shop, stripe, monkeypatch), None) == JOURNEYS[journey]


def test_these_are_all_the_cases() -> None:
    assert len(CASES) == 14 + 14 + 4 + 12 + 10


@pytest.mark.parametrize("case", CASES, ids=namer(JOURNEYS))
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
