"""A payment whose session Stripe does not know any more, because the keys became another account's."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from billing.actor import SUPERADMIN
from billing.errors import ReasonRequired
from billing.models import AuditEntry
from billing.use_cases.processor_settings import change_processor_keys
from orders.errors import PaymentInProgress, PaymentNotOpen, PaymentProcessorError
from orders.models import Break, Order, Payment, Refund
from orders.stripe import gateway
from orders.stripe.gateway import ObjectUnknown
from orders.use_cases.payments.close_lost_payment import close_lost_payment
from orders.use_cases.payments.open_payment import SESSION_LIFE
from orders.use_cases.reconciliation import reconciliation_run
from tests.concurrency.threads import ThreadGroup
from tests.console import client_of, create_user, form_errors, shown_messages
from tests.factories import actor
from tests.payments import stripe_failures
from tests.payments.buyer import BALANCE_BEFORE_MINOR, Buyer, new_buyer, order_status, session_id_of
from tests.payments.reconciliation.reconciliation_checks import open_break_keys, reconcile
from tests.payments.stripe_failures import LASTING, fault_for
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import post_event
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "the keys are of the live account now"


def check_out_on_other_account(stripe: Stripe) -> tuple[Buyer, UUID]:
    """Check out, then let the keys become those of an account that knows nothing."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.reset()
    return buyer, order_id


def assert_free(buyer: Buyer) -> None:
    """Assert that the credit is available, and that the organization can order again."""
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    assert buyer.wanting(key="second", promo_code=None).check_out().session_url


def paid_event_of(order_id: UUID) -> Object:
    """The event of the previous account: the session was paid after all."""
    payment = Payment.objects.get(order_id=order_id)
    session = {
        "id": payment.session_id,
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": payment.amount_minor,
        "currency": payment.currency.lower(),
        "payment_intent": "pi_of_previous_account",
        "metadata": {"order_id": str(order_id)},
    }
    return {
        "id": "evt_of_previous_account",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(timezone.now().timestamp()),
        "data": {"object": session},
    }


def test_repair_closes_a_session_that_the_new_account_does_not_know(stripe: Stripe) -> None:
    buyer, order_id = check_out_on_other_account(stripe)
    expected = (Break.Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id)
    reconcile()
    assert open_break_keys() == [expected]

    out = StringIO()
    call_command("reconcile_stripe", "--repair", stdout=out)

    assert f"repaired: session_state_differs {session_id_of(order_id)}" in out.getvalue()
    assert open_break_keys() == []
    assert order_status(order_id) == Order.Status.CANCELLED
    assert_free(buyer)


def test_repair_closes_every_session_of_the_previous_account(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation_run, "OTHER_ACCOUNT_AT", 2)
    buyers = [new_buyer() for _ in range(4)]
    orders = [each.check_out().order_id for each in buyers]
    stripe.reset()

    assert len(reconcile(repair=True).findings) == len(orders)

    for buyer, order_id in zip(buyers, orders, strict=True):
        assert order_status(order_id) == Order.Status.CANCELLED
        assert_free(buyer)


def test_staff_close_it_with_a_reason(stripe: Stripe) -> None:
    buyer, order_id = check_out_on_other_account(stripe)
    reconcile()
    with nothing_changes(), pytest.raises(ReasonRequired):
        close_lost_payment(order_id=order_id, why=" ", by=actor())

    order = close_lost_payment(order_id=order_id, why=WHY, by=actor())

    assert order.status == Order.Status.CANCELLED
    assert open_break_keys() == []
    entry = AuditEntry.objects.get(action="payment.closed")
    assert (entry.object_id, entry.reason, entry.actor_id) == (str(order_id), WHY, actor().user_id)
    with nothing_changes(), pytest.raises(PaymentNotOpen):
        close_lost_payment(order_id=order_id, why=WHY, by=actor())
    assert_free(buyer)


def test_staff_close_it_while_no_keys_are_configured(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    change_processor_keys(by=actor(), stripe_secret_key="")
    assert close_lost_payment(order_id=order_id, why=WHY, by=actor()).status == Order.Status.CANCELLED
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)


def test_money_that_arrives_later_is_refunded_and_shown(stripe: Stripe) -> None:
    buyer, order_id = check_out_on_other_account(stripe)
    close_lost_payment(order_id=order_id, why=WHY, by=actor())

    assert post_event(paid_event_of(order_id)).status_code == 200
    run_waiting_jobs()

    assert order_status(order_id) == Order.Status.CANCELLED
    assert buyer.credit == (BALANCE_BEFORE_MINOR, 0)
    payment = Payment.objects.get(order_id=order_id)
    assert Refund.objects.get().amount_minor == payment.amount_minor
    assert (Break.Kind.PAID_AFTER_RELEASE.value, payment.session_id, order_id) in open_break_keys()


def test_a_session_that_stripe_knows_is_closed_there_first(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id

    assert close_lost_payment(order_id=order_id, why=WHY, by=actor()).status == Order.Status.EXPIRED

    entry = AuditEntry.objects.get(action="payment.closed")
    assert entry.changes["status"] == [Order.Status.PENDING, Order.Status.EXPIRED]
    assert [each["status"] for each in stripe.sessions()] == ["expired"]
    run_until_idle(stripe)
    assert_free(buyer)


def test_a_session_that_was_just_paid_completes_its_order(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))
    assert close_lost_payment(order_id=order_id, why=WHY, by=actor()).status == Order.Status.COMPLETED


def test_nothing_is_closed_while_stripe_does_not_answer(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.fault(path="/v1/checkout/sessions/*", effect="drop", count=None)
    with nothing_changes(), pytest.raises(PaymentProcessorError):
        close_lost_payment(order_id=order_id, why=WHY, by=actor())


def test_an_unknown_session_expires_at_its_end_without_staff(stripe: Stripe) -> None:
    buyer, order_id = check_out_on_other_account(stripe)
    with nothing_changes():
        sweep()

    sweep(now=timezone.now() + SESSION_LIFE + timedelta(minutes=1))

    assert order_status(order_id) == Order.Status.EXPIRED
    assert open_break_keys() == [(Break.Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id)]
    assert_free(buyer)


def test_a_debit_of_the_previous_account_waits_for_staff_and_is_shown(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    stripe.reset()

    for days in (1, 2):
        sweep(now=timezone.now() + timedelta(days=days))

    assert order_status(order_id) == Order.Status.PENDING
    assert open_break_keys() == [(Break.Kind.SESSION_STATE_DIFFERS.value, session_id_of(order_id), order_id)]
    assert close_lost_payment(order_id=order_id, why=WHY, by=actor()).status == Order.Status.CANCELLED
    assert Payment.objects.get(order_id=order_id).status == Payment.Status.FAILED
    assert_free(buyer)


def test_a_debit_that_the_bank_still_processes_is_not_audited_as_closed(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    with nothing_changes(), pytest.raises(PaymentInProgress):
        close_lost_payment(order_id=order_id, why=WHY, by=actor())


def test_the_gateway_tells_an_unknown_session_from_a_refusal(stripe: Stripe) -> None:
    new_buyer().check_out()
    with pytest.raises(ObjectUnknown):
        gateway.retrieve_session("cs_of_live_mode")
    stripe.fault(path="/v1/checkout/sessions/*", effect="answer", status=400)
    with pytest.raises(gateway.Refused) as caught:
        gateway.retrieve_session("cs_1")
    assert not isinstance(caught.value, ObjectUnknown)


def test_staff_close_it_in_the_console_once(stripe: Stripe) -> None:
    buyer, order_id = check_out_on_other_account(stripe)
    staff = create_user(SUPERADMIN)
    browsers = [client_of(staff) for _ in range(2)]
    page = reverse("admin:orders_order_change", args=[order_id])
    address = reverse("admin:orders_order_close", args=[order_id])
    assert address in browsers[0].get(page).content.decode()
    sent = {"reason": WHY, "form_token": browsers[0].token_of(address)}

    with ThreadGroup(2) as threads:
        threads.race([partial(browser.post, address, sent) for browser in browsers])

    assert AuditEntry.objects.filter(action="payment.closed").count() == 1
    assert order_status(order_id) == Order.Status.CANCELLED
    again = browsers[0].post(address, sent)
    assert shown_messages(again)[-1].startswith("This was done already, and was not done again: The payment is")
    assert address not in browsers[0].get(page).content.decode()
    assert_free(buyer)


def test_a_payment_that_staff_close_while_stripe_is_away_stays_open(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    browser = client_of(create_user(SUPERADMIN))
    address = reverse("admin:orders_order_close", args=[order_id])
    stripe.fault(**fault_for(stripe_failures.EXPIRE_SESSION, "503-before", LASTING))
    token = browser.token_of(address)
    with nothing_changes():
        answer = browser.submit(address, {"reason": WHY, "form_token": token})
    said = "The payment processor did not answer; the payment is still open."
    assert form_errors(answer) == {"__all__": [said]}
    stripe.heal()
    assert browser.submit(address, {"reason": WHY, "form_token": token}).status_code == HTTPStatus.FOUND
    assert order_status(order_id) == Order.Status.EXPIRED
