"""kill -9 at every step of a renewal, before and after each commit and each call; then restart, sweep and run again.

No month is paid twice, lost or told of twice, nothing is held for ever, and nothing that has no session is charged.
"""

from datetime import timedelta
from functools import partial

import pytest

from orders.use_cases.subscriptions.renew_subscription import Outcome
from tests.factories import give_credit
from tests.payments import failures, payment_process
from tests.payments.books import books_agree, disagreements
from tests.payments.failures import LASTING, switch
from tests.payments.killing import Act, both, every_step, namer, restart, run_until
from tests.payments.shopping import event_of
from tests.payments.stripe_process import Stripe
from tests.payments.subscribing import (
    CHARGED_MINOR,
    CREDIT_MINOR,
    LEFT_MINOR,
    MISSING_MINOR,
    PRICE_MINOR,
    Tenant,
    asked,
    at_the_end_of_grace,
    subscribe,
)

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = NOTHING_IS_DUE = T1 = T2 = "a commit"
ASKING = ["POST customers", "writing billing_customer", "writing orders_payment", "POST checkout/sessions"]
EXPIRE = "POST checkout/sessions/*/expire"
JOURNEYS: dict[str, list[str]] = {
    "from credit": both(MONTH, NOTHING_IS_DUE),
    "three months late": both(MONTH, MONTH, MONTH, NOTHING_IS_DUE),
    "two of three months": both(MONTH, MONTH, T1, *ASKING, T2),
    "the rest by card": both(T1, *ASKING, T2),
    "the rest is refused": both(T1, *ASKING, T2),
    "settlement": both("a commit", "a commit"),
    "credit came in": both(EXPIRE, "a commit", MONTH, NOTHING_IS_DUE),
    "the grace is over": both(EXPIRE, "a commit", "a commit"),
    "paid at the last moment": both(EXPIRE, "GET checkout/sessions/*", "a commit", NOTHING_IS_DUE),
}
CASES = every_step(JOURNEYS)
HOURS = timedelta(hours=2)


def prepare(journey: str, stripe: Stripe) -> tuple[Tenant, Act]:
    """The tenant, and what another process is to do for it."""
    if journey == "settlement":
        tenant = asked(stripe)
        stripe.pay(tenant.open_session)
        event = event_of(stripe, "checkout.session.completed")
        return tenant, partial(payment_process.receive_and_settle, event)
    match journey:
        case "from credit":
            tenant = subscribe(stripe, credit_minor=PRICE_MINOR)
        case "three months late":
            tenant = subscribe(stripe, months=3, credit_minor=3 * PRICE_MINOR)
        case "two of three months":
            tenant = subscribe(stripe, months=3, credit_minor=2 * PRICE_MINOR + CREDIT_MINOR)
        case "credit came in":
            tenant = asked(stripe)
            give_credit(tenant.organization.customer, MISSING_MINOR)
        case "the grace is over":
            tenant = at_the_end_of_grace(stripe)
        case "paid at the last moment":
            tenant = at_the_end_of_grace(stripe)
            stripe.pay(tenant.open_session)
        case _:
            tenant = subscribe(stripe)
            if journey == "the rest is refused":
                stripe.fault(**switch(failures.SESSION, "402", LASTING))
    return tenant, partial(payment_process.renew, tenant.subscription_id, tenant.now)


@pytest.mark.parametrize("journey", JOURNEYS)
def test_these_are_all_the_steps(stripe: Stripe, journey: str) -> None:
    _, act = prepare(journey, stripe)
    assert run_until(act, None) == JOURNEYS[journey]


def test_these_are_all_the_cases() -> None:
    assert len(CASES) == 4 + 8 + 16 + 12 + 12 + 4 + 8 + 6 + 8


@pytest.mark.parametrize("case", CASES, ids=namer(JOURNEYS))
def test_killed(stripe: Stripe, case: tuple[str, int]) -> None:
    journey, number = case
    tenant, act = prepare(journey, stripe)

    assert run_until(act, number) == JOURNEYS[journey][:number]

    restart(stripe, now=tenant.now)
    books_agree(stripe)
    tenant.wait(HOURS)
    tenant.renew()
    tenant.rest()
    books_agree(stripe)
    if journey == "the grace is over":
        assert (tenant.status, tenant.credit) == (("canceled", "suspended"), (CREDIT_MINOR, 0))
        return
    if tenant.subscription.status == "past_due":
        stripe.pay(tenant.open_session)
        tenant.rest()
        books_agree(stripe)
    assert tenant.status == ("active", "active")
    assert tenant.renew() == [Outcome.NOT_DUE]
    by_credit = journey in ("from credit", "three months late", "credit came in")
    assert [charge["amount"] for charge in stripe.charges()] == ([] if by_credit else [CHARGED_MINOR])
    assert tenant.credit == (0 if by_credit else LEFT_MINOR, 0)


@pytest.mark.parametrize(
    ("control", "journey", "number", "seen"),
    [
        ("spend before the month", "from credit", 2, "months are paid"),
        ("month before the event", "from credit", 2, "renewed was told of []"),
        ("month before the letter", "from credit", 2, "0 letters renewed were queued, 1 are right"),
        ("refusal before the event", "the rest by card", 2, "nobody was told that the month is not paid"),
        ("session before the letter", "the rest by card", 12, "0 letters past_due were queued, 1 are right"),
        ("end before the event", "the grace is over", 6, "is suspended with a subscription that nobody cancelled"),
        ("end before the letter", "the grace is over", 6, "0 letters canceled were queued, 1 are right"),
    ],
)
def test_control_a_commit_in_the_wrong_place_is_seen(
    stripe: Stripe, control: str, journey: str, number: int, seen: str
) -> None:
    tenant, act = prepare(journey, stripe)

    steps = run_until(act, number, control=control)

    assert steps[-1] == "after a commit"
    restart(stripe, now=tenant.now)
    assert any(seen in each for each in disagreements(stripe))
