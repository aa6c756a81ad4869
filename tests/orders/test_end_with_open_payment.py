"""An organization that ends while a payment is open: its session is closed at Stripe, its credit is free again."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from billing.errors import StatusNotAllowed
from billing.models import Account, Customer, Hold, Organization
from orders import tasks
from orders.errors import PaymentProcessorError, TooManyOrders
from orders.models import Order, Payment
from orders.use_cases.organizations.change_status import change_status
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.settle_payment import settle_unpaid
from tests.factories import acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import queued_jobs, settle_event_of_type
from tests.orders.subscriptions.stripe_checkout_stub import BROKEN, StripeCheckoutStub, stripe
from tests.rules import triggers_off
from tests.snapshot import nothing_changes

__all__ = ["stripe"]

pytestmark = pytest.mark.django_db(transaction=True)

End = Callable[[], Organization]


@pytest.fixture
def pending(stripe: StripeCheckoutStub, ada: Customer, buy: Buy) -> Order:
    """An order of 9.000 that waits for a card; credit pays 2.340 of it."""
    give_credit(ada, 2_345)
    order = Order.objects.get(id=buy("m").order_id)
    stripe.sessions["cs_1"]["amount_total"] = order.payment.amount_minor
    return order


@pytest.fixture(params=["deleted by its owner", "deleted by staff", "suspended by staff"])
def end(request: pytest.FixtureRequest, acme: Organization, ada: Customer) -> End:
    """Ends the organization in one of the ways."""
    if request.param == "deleted by its owner":
        return lambda: delete_organization(organization_id=acme.id, by=acting(ada))
    status = "deleted" if request.param == "deleted by staff" else "suspended"
    return lambda: change_status(organization_id=acme.id, status=Organization.Status(status), by=actor())


def held() -> tuple[int, int]:
    account = Account.objects.get()
    return account.balance_minor, account.held_minor


def test_the_session_is_closed_first_and_the_credit_is_free(
    pending: Order, stripe: StripeCheckoutStub, end: End
) -> None:
    assert held() == (2_345, 2_340)
    end()
    assert stripe.sessions["cs_1"]["status"] == "expired"
    pending.refresh_from_db()
    assert (pending.status, pending.payment.status) == ("expired", "expired")
    assert (held(), Hold.objects.get().status) == ((2_345, 0), "released")
    assert queued_jobs("close_open_payment") == []
    with nothing_changes():
        settle_unpaid(order_id=pending.id, failed=False)


def test_a_silent_stripe_does_not_keep_the_organization_and_a_job_closes_the_payment(
    pending: Order, stripe: StripeCheckoutStub, end: End
) -> None:
    stripe.failing_status = BROKEN
    ended = end()
    assert ended.status in ("deleted", "suspended")
    [job] = queued_jobs("close_open_payment")
    assert held() == (2_345, 2_340)
    with nothing_changes(), pytest.raises(PaymentProcessorError):
        tasks.close_open_payment(**job)
    stripe.failing_status = 0
    tasks.close_open_payment(**job)
    assert (held(), stripe.sessions["cs_1"]["status"]) == ((2_345, 0), "expired")
    with nothing_changes():
        tasks.close_open_payment(**job)


def test_a_payment_that_is_being_requested_is_closed_by_the_job(
    pending: Order, stripe: StripeCheckoutStub, end: End
) -> None:
    with triggers_off():
        Payment.objects.update(status="requested", session_id=None, session_url="")
    end()
    [job] = queued_jobs("close_open_payment")
    with nothing_changes(), pytest.raises(PaymentProcessorError):
        tasks.close_open_payment(**job)
    Payment.objects.update(status="open", session_id="cs_1")
    tasks.close_open_payment(**job)
    assert held() == (2_345, 0)


def test_a_payment_that_a_bank_processes_is_refunded_when_it_arrives(
    pending: Order, stripe: StripeCheckoutStub, ada: Customer, acme: Organization
) -> None:
    processing = stripe.pay(stripe.sessions["cs_1"], processing=True)
    settle_event_of_type("checkout.session.completed", processing)
    delete_organization(organization_id=acme.id, by=acting(ada))
    [job] = queued_jobs("close_open_payment")
    tasks.close_open_payment(**job)
    assert held() == (2_345, 2_340)
    settle_event_of_type("checkout.session.async_payment_succeeded", stripe.pay(stripe.sessions["cs_1"]))
    pending.refresh_from_db()
    assert (pending.status, held()) == ("cancelled", (2_345, 0))
    assert queued_jobs("send_refund")


def test_a_payment_that_was_made_at_the_last_moment_counts(
    pending: Order, stripe: StripeCheckoutStub, ada: Customer, acme: Organization
) -> None:
    stripe.pay(stripe.sessions["cs_1"])
    deleted = delete_organization(organization_id=acme.id, by=acting(ada))
    pending.refresh_from_db()
    assert (pending.status, deleted.status, held()) == ("completed", "deleted", (5, 0))


def test_a_status_that_cannot_follow_is_refused_before_anything_is_closed(
    pending: Order, stripe: StripeCheckoutStub, acme: Organization
) -> None:
    Organization.objects.update(status="active")
    with nothing_changes(), pytest.raises(StatusNotAllowed):
        change_status(organization_id=acme.id, status=Organization.Status.PENDING, by=actor())
    assert stripe.sessions["cs_1"]["status"] == "open"


def test_sessions_of_a_day_that_end_unpaid_are_limited(
    stripe: StripeCheckoutStub, buy: Buy, settings: Settings
) -> None:
    settings.UNPAID_ORDERS_PER_DAY = 2
    for plan in ("m", "l"):
        buy(plan)
    assert [each["status"] for each in stripe.sessions.values()] == ["expired", "open"]
    # The open one can be resumed; another one is refused.
    assert buy("l").session_url == "https://pay.example/cs_2"
    with pytest.raises(TooManyOrders):
        buy("m")
    assert len(stripe.sessions) == 2
