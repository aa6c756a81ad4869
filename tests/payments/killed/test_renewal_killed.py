"""SIGKILL at every step of a renewal, before and after each commit and each call; then restart, sweep and renew.

No month is paid twice, lost or announced twice, no credit is held for ever, and no card is charged without a session.
"""

from datetime import timedelta
from functools import partial

import pytest

from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.factories import give_credit
from tests.payments import stripe_failures
from tests.payments.consistency_at_rest import assert_books_agree, find_disagreements
from tests.payments.killed import killable_process
from tests.payments.killed.kill_process import Action, before_and_after, case_namer, every_step, restart, run_until
from tests.payments.renewals.subscribed_tenant import (
    CHARGED_MINOR,
    CREDIT_MINOR,
    LEFT_MINOR,
    MISSING_MINOR,
    PRICE_MINOR,
    Tenant,
    subscribe_tenant,
    tenant_at_end_of_grace,
    tenant_with_open_session,
)
from tests.payments.stripe_failures import LASTING, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = NOTHING_IS_DUE = PLACE_ORDER = RECORD_SESSION = "a commit"
OPEN_SESSION = ["POST customers", "writing billing_customer", "writing orders_payment", "POST checkout/sessions"]
EXPIRE = "POST checkout/sessions/*/expire"
JOURNEYS: dict[str, list[str]] = {
    "from credit": before_and_after(MONTH, NOTHING_IS_DUE),
    "three months late": before_and_after(MONTH, MONTH, MONTH, NOTHING_IS_DUE),
    "two of three months": before_and_after(MONTH, MONTH, PLACE_ORDER, *OPEN_SESSION, RECORD_SESSION),
    "the rest by card": before_and_after(PLACE_ORDER, *OPEN_SESSION, RECORD_SESSION),
    "the rest is refused": before_and_after(PLACE_ORDER, *OPEN_SESSION, RECORD_SESSION),
    "settlement": before_and_after("a commit", "a commit"),
    "credit came in": before_and_after(EXPIRE, "a commit", MONTH, NOTHING_IS_DUE),
    "the grace is over": before_and_after(EXPIRE, "a commit", "a commit"),
    "paid at the last moment": before_and_after(EXPIRE, "GET checkout/sessions/*", "a commit", NOTHING_IS_DUE),
}
CASES = every_step(JOURNEYS)
TWO_HOURS = timedelta(hours=2)


def prepare(journey: str, stripe: Stripe) -> tuple[Tenant, Action]:
    """Return a tenant, and the action for the other process."""
    if journey == "settlement":
        tenant = tenant_with_open_session(stripe)
        stripe.pay(tenant.open_session)
        event = newest_event(stripe, "checkout.session.completed")
        return tenant, partial(killable_process.receive_and_settle, event)
    match journey:
        case "from credit":
            tenant = subscribe_tenant(stripe, credit_minor=PRICE_MINOR)
        case "three months late":
            tenant = subscribe_tenant(stripe, months=3, credit_minor=3 * PRICE_MINOR)
        case "two of three months":
            tenant = subscribe_tenant(stripe, months=3, credit_minor=2 * PRICE_MINOR + CREDIT_MINOR)
        case "credit came in":
            tenant = tenant_with_open_session(stripe)
            give_credit(tenant.organization.customer, MISSING_MINOR)
        case "the grace is over":
            tenant = tenant_at_end_of_grace(stripe)
        case "paid at the last moment":
            tenant = tenant_at_end_of_grace(stripe)
            stripe.pay(tenant.open_session)
        case _:
            tenant = subscribe_tenant(stripe)
            if journey == "the rest is refused":
                stripe.fault(**fault_for(stripe_failures.CREATE_SESSION, "402", LASTING))
    return tenant, partial(killable_process.renew, tenant.subscription_id, tenant.now)


@pytest.mark.parametrize("journey", JOURNEYS)
def test_each_journey_has_exactly_these_steps(stripe: Stripe, journey: str) -> None:
    _, action = prepare(journey, stripe)
    assert run_until(action, None) == JOURNEYS[journey]


def test_the_number_of_cases_is_known() -> None:
    assert len(CASES) == 4 + 8 + 16 + 12 + 12 + 4 + 8 + 6 + 8


@pytest.mark.parametrize("case", CASES, ids=case_namer(JOURNEYS))
def test_a_renewal_survives_a_kill_at_any_step(stripe: Stripe, case: tuple[str, int]) -> None:
    journey, number = case
    tenant, action = prepare(journey, stripe)

    assert run_until(action, number) == JOURNEYS[journey][:number]

    restart(stripe, now=tenant.now)
    assert_books_agree(stripe)
    tenant.advance_clock(TWO_HOURS)
    tenant.renew()
    tenant.run_until_idle()
    assert_books_agree(stripe)
    if journey == "the grace is over":
        assert (tenant.status, tenant.credit) == (("canceled", "suspended"), (CREDIT_MINOR, 0))
        return
    if tenant.subscription.status == "past_due":
        stripe.pay(tenant.open_session)
        tenant.run_until_idle()
        assert_books_agree(stripe)
    assert tenant.status == ("active", "active")
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]
    by_credit = journey in ("from credit", "three months late", "credit came in")
    assert [charge["amount"] for charge in stripe.charges()] == ([] if by_credit else [CHARGED_MINOR])
    assert tenant.credit == (0 if by_credit else LEFT_MINOR, 0)


@pytest.mark.parametrize(
    ("control", "journey", "number", "discrepancy"),
    [
        ("spend before the month", "from credit", 2, "months are paid"),
        ("month before the event", "from credit", 2, "renewed was announced for []"),
        ("month before the mail", "from credit", 2, "0 renewed mails were queued, 1 are right"),
        ("refusal before the event", "the rest by card", 2, "the unpaid month was not announced"),
        ("session before the mail", "the rest by card", 12, "0 past_due mails were queued, 1 are right"),
        ("end before the event", "the grace is over", 6, "is suspended with a subscription that was not canceled"),
        ("end before the mail", "the grace is over", 6, "0 canceled mails were queued, 1 are right"),
    ],
)
def test_control_a_misplaced_commit_is_noticed(
    stripe: Stripe, control: str, journey: str, number: int, discrepancy: str
) -> None:
    tenant, action = prepare(journey, stripe)

    steps = run_until(action, number, control=control)

    assert steps[-1] == "after a commit"
    restart(stripe, now=tenant.now)
    assert any(discrepancy in each for each in find_disagreements(stripe))
