"""Every call to Stripe that a renewal leads to by every failure: the books agree at rest, and the month can be paid.

After each case all faults are healed, events delivered, jobs done, the sweeper let run until it finds nothing, and
the renewal run again later. The books must agree each time, and when the month is paid, or its grace over.
"""

from datetime import timedelta

import pytest

from billing.models import Invoice
from orders.models import Break, Payment, Refund
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import Outcome
from tests.factories import PlanFactory, acting, give_credit
from tests.payments import failures
from tests.payments.books import books_agree
from tests.payments.failures import EXTENTS, FAILURES, LASTING, ONCE, switch
from tests.payments.shopping import deliver, open_shop, session_of
from tests.payments.stripe_process import Stripe
from tests.payments.subscribing import (
    APPLIED_MINOR,
    CHARGED_MINOR,
    CREDIT_MINOR,
    LEFT_MINOR,
    MISSING_MINOR,
    PRICE_MINOR,
    Tenant,
    asked,
    at_the_end_of_grace,
    renewals,
    subscribe,
)
from tests.payments.working import work, work_until_quiet

pytestmark = pytest.mark.django_db(transaction=True)

ASKING = {"customer": failures.CUSTOMER, "session": failures.SESSION}
VOIDING = {"invoices": failures.INVOICES, "void": failures.VOID}
EVERY = [(failure, extent) for extent in EXTENTS for failure in FAILURES]
CASES: dict[str, list[tuple[str, ...]]] = {
    "ask": [(step, *each) for step in ASKING for each in EVERY],
    "close at the end of the grace": [*EVERY],
    "close for credit": [*EVERY],
    "close for a deleted organization": [each for each in EVERY if each[1] == LASTING],
    "look": [*EVERY],
    "give back": [each for each in EVERY if each[1] == ONCE],
    "make void": [(step, *each) for step in VOIDING for each in EVERY if step == "void" or each[1] == LASTING],
}
LATER = timedelta(hours=2)
# Longer than a session, or an answer that Stripe keeps for a key, lasts.
DAY = timedelta(hours=24, seconds=1)


def ids(cases: list[tuple[str, ...]]) -> list[str]:
    return [" ".join(case) for case in cases]


def pay(tenant: Tenant) -> None:
    tenant.stripe.pay(tenant.open_session)
    tenant.rest()


def agree(tenant: Tenant) -> None:
    tenant.rest()
    books_agree(tenant.stripe)


def charged(stripe: Stripe) -> list[int]:
    return [charge["amount"] - charge["amount_refunded"] for charge in stripe.charges()]


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["ask"], ids=ids(CASES["ask"]))
def test_ask_for_the_rest(stripe: Stripe, step: str, failure: str, extent: str) -> None:
    tenant = subscribe(stripe)
    stripe.fault(**switch(ASKING[step], failure, extent))

    assert tenant.renew() == [Outcome.PAST_DUE]

    asked_for = Payment.objects.get().status == Payment.Status.OPEN
    assert tenant.credit == (CREDIT_MINOR, APPLIED_MINOR if asked_for else 0)
    agree(tenant)
    tenant.wait(LATER)
    assert tenant.renew() == [Outcome.WAITING if asked_for else Outcome.PAST_DUE]
    agree(tenant)
    assert tenant.status == ("past_due", "active")
    pay(tenant)
    books_agree(stripe)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit) == ([CHARGED_MINOR], (LEFT_MINOR, 0))
    assert tenant.renew() == [Outcome.NOT_DUE]


CLOSING = "close at the end of the grace"


@pytest.mark.parametrize(("failure", "extent"), CASES[CLOSING], ids=ids(CASES[CLOSING]))
def test_close_at_the_end_of_the_grace(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = at_the_end_of_grace(stripe)
    stripe.fault(**switch(failures.EXPIRE, failure, extent))

    first = tenant.renew()

    assert first in ([Outcome.WAITING], [Outcome.CANCELED])
    agree(tenant)
    second = tenant.renew()
    assert second == ([Outcome.CANCELED] if first == [Outcome.WAITING] else [Outcome.NOT_DUE])
    agree(tenant)
    assert tenant.status == ("canceled", "suspended")
    assert (charged(stripe), tenant.credit) == ([], (CREDIT_MINOR, 0))
    give_credit(tenant.organization.customer, PRICE_MINOR)
    tenant.buy(price_minor=PRICE_MINOR)
    agree(tenant)
    assert tenant.status == ("canceled", "active")


CREDITING = "close for credit"


@pytest.mark.parametrize(("failure", "extent"), CASES[CREDITING], ids=ids(CASES[CREDITING]))
def test_close_for_credit_that_came_in(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = asked(stripe)
    give_credit(tenant.organization.customer, MISSING_MINOR)
    stripe.fault(**switch(failures.EXPIRE, failure, extent))

    first = tenant.renew()

    assert first in ([Outcome.WAITING], [Outcome.RENEWED, Outcome.NOT_DUE])
    agree(tenant)
    second = tenant.renew()
    assert second == ([Outcome.RENEWED] if first == [Outcome.WAITING] else []) + [Outcome.NOT_DUE]
    agree(tenant)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit, renewals()) == ([], (0, 0), ["expired", "completed"])


DELETING = "close for a deleted organization"


@pytest.mark.parametrize(("failure", "extent"), CASES[DELETING], ids=ids(CASES[DELETING]))
def test_close_for_an_organization_that_is_gone(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = asked(stripe)
    delete_organization(organization_id=tenant.organization.id, by=acting(tenant.organization.customer))
    assert find_due_subscriptions(now=tenant.now) == [tenant.subscription_id]
    stripe.fault(**switch(failures.EXPIRE, failure, extent))

    first = tenant.renew()

    assert first in ([Outcome.WAITING], [Outcome.NOT_DUE])
    agree(tenant)
    assert tenant.renew() == [Outcome.NOT_DUE]
    agree(tenant)
    assert find_due_subscriptions(now=tenant.now) == []
    assert tenant.status == ("canceled", "deleted")
    assert (charged(stripe), tenant.credit, renewals()) == ([], (CREDIT_MINOR, 0), ["expired"])


@pytest.mark.parametrize(("failure", "extent"), CASES["look"], ids=ids(CASES["look"]))
def test_look_at_a_paid_session_whose_event_never_came(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = at_the_end_of_grace(stripe)
    stripe.pay(tenant.open_session)
    stripe.fault(**switch(failures.LOOK, failure, extent))

    first = tenant.renew()

    assert first in ([Outcome.WAITING], [Outcome.NOT_DUE])
    stripe.heal()
    assert tenant.renew() == [Outcome.NOT_DUE]
    agree(tenant)
    assert tenant.status == ("active", "active")
    assert (charged(stripe), tenant.credit) == ([CHARGED_MINOR], (LEFT_MINOR, 0))


@pytest.mark.parametrize(("failure", "extent"), CASES["give back"], ids=ids(CASES["give back"]))
def test_give_back_what_was_paid_for_an_organization_that_is_gone(stripe: Stripe, failure: str, extent: str) -> None:
    tenant = asked(stripe)
    stripe.pay(tenant.open_session)
    delete_organization(organization_id=tenant.organization.id, by=acting(tenant.organization.customer))
    deliver(stripe)
    stripe.fault(**switch(failures.REFUND, failure, extent))

    for _ in range(2):
        work()

    tenant.wait(DAY)
    tenant.rest()
    if Refund.objects.get().status == Refund.Status.FAILED:
        assert Break.objects.filter(kind=Break.Kind.REFUND_FAILED, closed_at=None).count() == 1
        return
    books_agree(stripe)
    assert (charged(stripe), tenant.credit, renewals()) == ([0], (CREDIT_MINOR, 0), ["cancelled"])


@pytest.mark.parametrize(("step", "failure", "extent"), CASES["make void"], ids=ids(CASES["make void"]))
def test_make_void_what_a_replaced_subscription_left_unpaid(
    stripe: Stripe, step: str, failure: str, extent: str
) -> None:
    shop = open_shop()
    stripe.pay(session_of(shop.check_out().order_id))
    work_until_quiet(stripe)
    stripe.do("cards", behaviour="declines")
    stripe.do("clock", months=1, everything=True)
    work_until_quiet(stripe)
    [unpaid] = Invoice.objects.filter(status=Invoice.Status.OPEN)
    give_credit(shop.customer, 2 * PRICE_MINOR)
    shop.wanting(plan=PlanFactory.create(price_minor=PRICE_MINOR), promo_code=None, key="second").check_out()
    stripe.fault(**switch(VOIDING[step], failure, extent))

    for _ in range(2):
        work()

    stripe.heal()
    work_until_quiet(stripe)
    books_agree(stripe)
    unpaid.refresh_from_db()
    assert unpaid.status == stripe.get(f"invoices/{unpaid.stripe_invoice_id}")["status"] == "void"
    assert shop.organization.subscriptions.get(status="active").paid_by == "credit"


def test_these_are_all_the_cases() -> None:
    assert len(FAILURES) == 19
    assert {name: len(cases) for name, cases in CASES.items()} == {
        "ask": 76,
        "close at the end of the grace": 38,
        "close for credit": 38,
        "close for a deleted organization": 19,
        "look": 38,
        "give back": 19,
        "make void": 57,
    }
