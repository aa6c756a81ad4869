"""A customer whose month is unpaid redeems a voucher: the balance pays the month in the same request."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from billing.models import Customer, IdempotencyKey, Invoice, Subscription
from orders.models import Order
from orders.use_cases.subscriptions.pay_due_months import unpaid_subscriptions
from orders.use_cases.top_up import ToppedUp, top_up
from promos.use_cases.redeem_code import redeem as redeem_code
from tests.concurrency.threads import race
from tests.factories import PromoCodeFactory, acting, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    NEXT,
    START,
    balance_and_held,
    event_data,
    newest_subscription,
    renew,
    renewal_orders,
)
from tests.orders.subscriptions.stripe_checkout_stub import StripeCheckoutStub
from tests.snapshot import nothing_changes

LATER = DUE + timedelta(days=2)


def redeem(ada: Customer, credit_minor: int, *, key: str = "") -> ToppedUp:
    if not key or not IdempotencyKey.objects.filter(key=key).exists():
        PromoCodeFactory.create(code="GIFT", credit_minor=credit_minor)
    return top_up(code="GIFT", by=acting(ada), idempotency_key=key, fingerprint="of the body", now=LATER)


@pytest.mark.parametrize("key", ["", "top-up"])
def test_a_voucher_that_covers_the_month_pays_it_and_closes_its_session(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, key: str
) -> None:
    answer = redeem(ada, 7_000, key=key)
    now = newest_subscription()
    assert (now.status, now.past_due_since, now.current_period_end) == ("active", None, NEXT)
    assert balance_and_held() == (345, 0)
    assert answer.balance_minor == 345
    assert answer.paid_invoices == (Invoice.objects.get(period_start=DUE, status="paid").id,)
    assert (stripe.open_sessions, [each.status for each in renewal_orders()]) == ([], ["expired", "completed"])
    order = renewal_orders()[-1]
    assert (order.placed_by, order.channel) == ("ada", "api")
    assert len(event_data("subscription.renewed")) == 1
    if key:
        with nothing_changes():
            again = redeem(ada, 7_000, key=key)
        assert (again.balance_minor, again.credit_minor) == (345, 7_000)


def test_a_voucher_that_does_not_cover_the_month_leaves_its_payment_open(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer
) -> None:
    answer = redeem(ada, 6_654)
    assert (answer.balance_minor, answer.paid_invoices) == (8_999, ())
    assert newest_subscription().status == "past_due"
    assert (len(stripe.open_sessions), balance_and_held()) == (1, (8_999, 2_340))


def test_the_top_up_stands_and_the_next_run_pays_where_stripe_does_not_answer(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer
) -> None:
    stripe.failing_status = 500
    answer = redeem(ada, 7_000)
    assert (answer.balance_minor, answer.paid_invoices) == (9_345, ())
    assert newest_subscription().status == "past_due"
    stripe.failing_status = 0
    renew(LATER)
    assert (newest_subscription().status, balance_and_held()) == ("active", (345, 0))


def test_top_ups_and_a_renewal_run_at_the_same_time_pay_the_month_once(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer
) -> None:
    for number in range(3):
        PromoCodeFactory.create(code=f"GIFT-{number}", credit_minor=7_000)
    top_ups: list[Callable[[], object]] = [
        partial(top_up, code=f"GIFT-{number}", by=acting(ada), now=LATER) for number in range(3)
    ]
    race(list[Callable[[], object]]([*top_ups, partial(renew, LATER, past_due), partial(renew, LATER, past_due)]))
    renew(LATER)
    assert balance_and_held() == (2_345 + 3 * 7_000 - 9_000, 0)
    assert Order.objects.filter(kind=Order.Kind.RENEWAL, status="completed").count() == 1
    assert (newest_subscription().status, stripe.open_sessions) == ("active", [])


@pytest.mark.parametrize("now", [DUE - timedelta(microseconds=1), DUE])
@pytest.mark.parametrize("paid_by", Subscription.PaidBy)
@pytest.mark.parametrize("status", Subscription.Status)
@pytest.mark.usefixtures("acme")
def test_sql_and_python_agree_on_what_an_unpaid_month_is(
    ada: Customer, buy: Buy, status: str, paid_by: str, now: datetime
) -> None:
    give_credit(ada, 9_000)
    buy("m", now=START)
    PromoCodeFactory.create(code="GIFT")
    Subscription.objects.update(
        status=status,
        paid_by=paid_by,
        past_due_since=DUE if status == "past_due" else None,
        canceled_at=START if status == "canceled" else None,
    )
    redeemed = redeem_code(code="GIFT", user_id="ada", by=acting(ada), now=now)
    expected = unpaid_subscriptions(now=now).filter(customer=ada).exists()
    assert redeemed.owes is expected  # type: ignore[attr-defined]
