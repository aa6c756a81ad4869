"""Every call to Stripe that a renewal makes, with every failure: the books agree at rest, and the month can be paid.

After each case the test switches the fault off, runs the service until it is idle, and runs the renewal again. The
books must agree each time, and also after the month is paid or its days of grace are over.
"""

from datetime import timedelta

import pytest

from billing.models import Invoice
from orders.models import Break, Payment, Refund
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.factories import PlanFactory, acting, give_credit
from tests.payments import stripe_failures
from tests.payments.buyer import new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.renewals.subscribed_tenant import (
    APPLIED_MINOR,
    CHARGED_MINOR,
    CREDIT_MINOR,
    LEFT_MINOR,
    MISSING_MINOR,
    PRICE_MINOR,
    Tenant,
    renewal_statuses,
    subscribe_tenant,
    tenant_at_end_of_grace,
    tenant_with_open_session,
)
from tests.payments.stripe_failures import EXTENTS, FAILURES, LASTING, ONCE, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events
from tests.payments.worker import run_until_idle, run_waiting_jobs

pytestmark = pytest.mark.django_db(transaction=True)

OPEN_SESSION = {"customer": stripe_failures.CREATE_CUSTOMER, "session": stripe_failures.CREATE_SESSION}
VOID = {"invoices": stripe_failures.LIST_INVOICES, "void": stripe_failures.VOID_INVOICE}
EVERY = [(failure, extent) for extent in EXTENTS for failure in FAILURES]
CASES: dict[str, list[tuple[str, ...]]] = {
    "open session": [(step, *each) for step in OPEN_SESSION for each in EVERY],
    "close at the end of the grace": [*EVERY],
    "close for credit": [*EVERY],
    "close for a deleted organization": [each for each in EVERY if each[1] == LASTING],
    "read session": [*EVERY],
    "refund": [each for each in EVERY if each[1] == ONCE],
    "void": [(step, *each) for step in VOID for each in EVERY if step == "void" or each[1] == LASTING],
}
LATER = timedelta(hours=2)
# Longer than a session lasts, and longer than Stripe repeats an answer for a key.
DAY = timedelta(hours=24, seconds=1)


def ids(cases: list[tuple[str, ...]]) -> list[str]:
    return [" ".join(case) for case in cases]


def pay(tenant: Tenant) -> None:
    tenant.stripe.pay(tenant.open_session)
    tenant.run_until_idle()


def assert_books_agree_at_rest(tenant: Tenant) -> None:
    tenant.run_until_idle()
    assert_books_agree(tenant.stripe)


def delete_organization_while_stripe_is_down(tenant: Tenant) -> None:
    """Delete the organization while Stripe cannot close its session, which so stays open or paid."""
    tenant.stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, "dropped-before", LASTING))
    delete_organization(organization_id=tenant.organization.id, by=acting(tenant.organization.customer))
    tenant.stripe.heal()


def charged(stripe: Stripe) -> list[int]:
    return [charge["amount"] - charge["amount_refunded"] for charge in stripe.charges()]


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["open session"], ids=ids(CASES["open session"]))
def test_a_renewal_opens_one_session_for_the_rest_of_the_month(
    stripe: Stripe, step: str, failure: str, extent: str
) -> None:
    tenant = subscribe_tenant(stripe)
    stripe.fault(**fault_for(OPEN_SESSION[step], failure, extent))

    assert tenant.renew() == [RenewalOutcome.PAST_DUE]

    is_open = Payment.objects.get().status == Payment.Status.OPEN
    assert tenant.credit == (CREDIT_MINOR, APPLIED_MINOR if is_open else 0)
    assert_books_agree_at_rest(tenant)
    tenant.advance_clock(LATER)
    assert tenant.renew() == [RenewalOutcome.WAITING if is_open else RenewalOutcome.PAST_DUE]
    assert_books_agree_at_rest(tenant)
    assert tenant.status == ("past_due", "active")
    pay(tenant)
    assert_books_agree(stripe)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit) == ([CHARGED_MINOR], (LEFT_MINOR, 0))
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]


CLOSING = "close at the end of the grace"


@pytest.mark.parametrize(("failure", "extent"), CASES[CLOSING], ids=ids(CASES[CLOSING]))
def test_a_renewal_closes_the_session_at_the_end_of_the_grace_period(
    stripe: Stripe, failure: str, extent: str
) -> None:
    tenant = tenant_at_end_of_grace(stripe)
    stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, failure, extent))

    first = tenant.renew()

    assert first in ([RenewalOutcome.WAITING], [RenewalOutcome.CANCELED])
    assert_books_agree_at_rest(tenant)
    second = tenant.renew()
    assert second == ([RenewalOutcome.CANCELED] if first == [RenewalOutcome.WAITING] else [RenewalOutcome.NOT_DUE])
    assert_books_agree_at_rest(tenant)
    assert tenant.status == ("canceled", "suspended")
    assert (charged(stripe), tenant.credit) == ([], (CREDIT_MINOR, 0))
    give_credit(tenant.organization.customer, PRICE_MINOR)
    tenant.buy(price_minor=PRICE_MINOR)
    assert_books_agree_at_rest(tenant)
    assert tenant.status == ("canceled", "active")


CREDITING = "close for credit"


@pytest.mark.parametrize(("failure", "extent"), CASES[CREDITING], ids=ids(CASES[CREDITING]))
def test_a_renewal_closes_the_session_after_new_credit_covers_the_month(
    stripe: Stripe, failure: str, extent: str
) -> None:
    tenant = tenant_with_open_session(stripe)
    give_credit(tenant.organization.customer, MISSING_MINOR)
    stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, failure, extent))

    first = tenant.renew()

    assert first in ([RenewalOutcome.WAITING], [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE])
    assert_books_agree_at_rest(tenant)
    second = tenant.renew()
    waited = first == [RenewalOutcome.WAITING]
    assert second == ([RenewalOutcome.RENEWED] if waited else []) + [RenewalOutcome.NOT_DUE]
    assert_books_agree_at_rest(tenant)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit, renewal_statuses()) == ([], (0, 0), ["expired", "completed"])


DELETING = "close for a deleted organization"


@pytest.mark.parametrize(("failure", "extent"), CASES[DELETING], ids=ids(CASES[DELETING]))
def test_a_renewal_closes_the_session_of_a_deleted_organization(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = tenant_with_open_session(stripe)
    delete_organization_while_stripe_is_down(tenant)
    assert find_due_subscriptions(now=tenant.now) == [tenant.subscription_id]
    stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, failure, extent))

    first = tenant.renew()

    assert first in ([RenewalOutcome.WAITING], [RenewalOutcome.NOT_DUE])
    assert_books_agree_at_rest(tenant)
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]
    assert_books_agree_at_rest(tenant)
    assert find_due_subscriptions(now=tenant.now) == []
    assert tenant.status == ("canceled", "deleted")
    assert (charged(stripe), tenant.credit, renewal_statuses()) == ([], (CREDIT_MINOR, 0), ["expired"])


@pytest.mark.parametrize(("failure", "extent"), CASES["read session"], ids=ids(CASES["read session"]))
def test_a_renewal_settles_a_paid_session_whose_event_was_lost(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = tenant_at_end_of_grace(stripe)
    stripe.pay(tenant.open_session)
    stripe.fault(**fault_for(stripe_failures.READ_SESSION, failure, extent))

    first = tenant.renew()

    assert first in ([RenewalOutcome.WAITING], [RenewalOutcome.NOT_DUE])
    stripe.heal()
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]
    assert_books_agree_at_rest(tenant)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit) == ([CHARGED_MINOR], (LEFT_MINOR, 0))


@pytest.mark.parametrize(("failure", "extent"), CASES["refund"], ids=ids(CASES["refund"]))
def test_a_payment_for_a_deleted_organization_is_refunded(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = tenant_with_open_session(stripe)
    stripe.pay(tenant.open_session)
    delete_organization_while_stripe_is_down(tenant)
    deliver_events(stripe)
    stripe.fault(**fault_for(stripe_failures.CREATE_REFUND, failure, extent))

    for _ in range(2):
        run_waiting_jobs()

    tenant.advance_clock(DAY)
    tenant.run_until_idle()
    if Refund.objects.get().status == Refund.Status.FAILED:
        assert Break.objects.filter(kind=Break.Kind.REFUND_FAILED, closed_at=None).count() == 1
        return
    assert_books_agree(stripe)
    assert (charged(stripe), tenant.credit, renewal_statuses()) == ([0], (CREDIT_MINOR, 0), ["cancelled"])


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["void"], ids=ids(CASES["void"]))
def test_the_unpaid_invoice_of_a_replaced_subscription_is_voided(
    stripe: Stripe, step: str, failure: str, extent: str
) -> None:
    buyer = new_buyer()
    stripe.pay(session_id_of(buyer.check_out().order_id))
    run_until_idle(stripe)
    stripe.do("cards", behaviour="declines")
    stripe.do("clock", months=1, everything=True)
    run_until_idle(stripe)
    [unpaid] = Invoice.objects.filter(status=Invoice.Status.OPEN)
    give_credit(buyer.customer, 2 * PRICE_MINOR)
    buyer.wanting(plan=PlanFactory.create(price_minor=PRICE_MINOR), promo_code=None, key="second").check_out()
    stripe.fault(**fault_for(VOID[step], failure, extent))

    for _ in range(2):
        run_waiting_jobs()

    stripe.heal()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    unpaid.refresh_from_db()
    assert unpaid.status == stripe.get(f"invoices/{unpaid.stripe_invoice_id}")["status"] == "void"
    assert buyer.organization.subscriptions.get(status="active").paid_by == "credit"


def test_the_number_of_cases_is_known() -> None:
    assert len(FAILURES) == 19
    assert {name: len(cases) for name, cases in CASES.items()} == {
        "open session": 76,
        "close at the end of the grace": 38,
        "close for credit": 38,
        "close for a deleted organization": 19,
        "read session": 38,
        "refund": 19,
        "void": 57,
    }
