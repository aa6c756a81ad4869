"""Mails to customers: queued in the transaction of the change that they announce, and still true when sent."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Customer, Invoice, Organization, Subscription
from orders.models import Order, Payment, VatRate
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.payments.request_refund import refund_order, send_refund
from tests.factories import actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    event_data,
    newest_subscription,
    queued_jobs,
    queued_mails,
    settle_event_of_type,
    worker_actor,
)
from tests.orders.subscriptions.stripe_checkout_stub import StripeCheckoutStub, stripe

__all__ = ["stripe"]

SUBSCRIPTION = {"subscription": "sub_1", "metadata": {}}


def send_next() -> str:
    """Send the newest waiting mail and return its text, the subject first."""
    job = queued_jobs("send_mail")[-1]
    assert send_mail(mail=Mail(job["mail"]), subject_id=UUID(job["subject_id"]), event_id=job["event_id"])
    message = mail.outbox[-1]
    assert message.to == ["ada@example.org"]
    return f"{message.subject}\n\n{message.body}"


def stripe_invoice(number: str, **more: Any) -> dict[str, Any]:
    """A Stripe invoice for the month that starts on 1 March 2027."""
    return {
        "id": number,
        "object": "invoice",
        "currency": "omr",
        "amount_due": 16_000,
        "amount_paid": 16_000,
        "billing_reason": "subscription_cycle",
        "parent": {"subscription_details": SUBSCRIPTION},
        "hosted_invoice_url": f"https://invoice.example/{number}",
        "invoice_pdf": f"https://invoice.example/{number}.pdf",
        "lines": {"data": [{"period": {"start": 1_803_859_200, "end": 1_806_537_600}}]},
        **more,
    }


@pytest.fixture
def by_card(stripe: StripeCheckoutStub, ada: Customer, acme: Organization, buy: Buy) -> Order:
    """An order of plan `l` (16.000), of which credit paid 1.000 of a balance of 1.005 and a card the rest."""
    give_credit(ada, 1_005)
    placed = buy("l")
    session = stripe.pay(stripe.sessions["cs_1"]) | {
        "subscription": "sub_1",
        "invoice": "in_1",
        "amount_total": 15_000,
    }
    assert settle_event_of_type("checkout.session.completed", session) == "completed"
    return Order.objects.get(id=placed.order_id)


def test_a_receipt_of_a_card_payment(by_card: Order) -> None:
    assert queued_mails() == ["payment_received"]
    assert send_next() == (
        "Sovereign: receipt for Acme\n\n"
        "Thank you. Your order for Acme is placed and paid.\n\n"
        f"Order {by_card.id}, {by_card.completed_at:%-d %B %Y}\n"
        "  L: 16.000 OMR\n"
        "  Total for one month: 16.000 OMR\n\n"
        "Paid from credit: 1.000 OMR\n"
        "Paid by card: 15.000 OMR\n"
        "Your credit is now 0.005 OMR.\n\n"
        "We are setting everything up at acme.sovereign.example. Your account shows the progress.\n"
    )


def test_a_receipt_tells_the_vat_that_the_total_includes(by_card: Order, ada: Customer) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    assert "  Total for one month: 16.000 OMR\n  Includes VAT 5%: 0.762 OMR\n\nPaid" in send_next()
    Customer.objects.update(language="ar")
    assert "  يشمل ضريبة القيمة المضافة 5%: " in send_next()


def test_a_receipt_of_an_order_that_credit_paid(ada: Customer, buy: Buy) -> None:
    give_credit(ada, 12_000)
    placed = buy("m", addons=("backup",))
    assert queued_jobs("send_mail") == [
        {"mail": "payment_received", "subject_id": str(placed.order_id), "event_id": ""}
    ]
    text = send_next()
    assert "  M: 9.000 OMR\n  Backup: 3.000 OMR\n  Total for one month: 12.000 OMR\n" in text
    assert "Paid from credit: 12.000 OMR\nYour credit is now 0.000 OMR.\n" in text
    assert "card" not in text


def later_job() -> dict[str, Any]:
    """The arguments of the one mail that is for later."""
    [job] = ProcrastinateJob.objects.filter(task_name="send_mail", status="todo", scheduled_at__gt=timezone.now())
    return dict(job.args)


def test_a_placed_order_is_mailed_to_a_customer_who_has_not_paid_yet(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 1_005)
    order_id = buy("l").order_id
    assert (later_job()["mail"], later_job()["subject_id"]) == ("order_placed", str(order_id))
    assert send_mail(mail=Mail.ORDER_PLACED, subject_id=order_id)
    text = str(mail.outbox[-1].body)
    assert mail.outbox[-1].subject == "Sovereign: your order for Acme is not paid yet"
    assert "1.000 OMR of your credit are held for it, and 15.000 OMR are still to be paid by card, until " in text
    payment = Payment.objects.get()
    assert f"\n\n  {payment.session_url}\n\n" in text and "Total for one month: 16.000 OMR" in text
    Customer.objects.update(language="ar")
    assert send_mail(mail=Mail.ORDER_PLACED, subject_id=order_id)
    assert "شكرًا لك" in str(mail.outbox[-1].body)
    Customer.objects.update(language="en")
    session = stripe.pay(stripe.sessions["cs_1"], processing=True)
    settle_event_of_type("checkout.session.completed", session)
    assert send_mail(mail=Mail.ORDER_PLACED, subject_id=order_id)
    assert "The payment of 15.000 OMR is on its way." in mail.outbox[-1].body
    assert payment.session_url not in mail.outbox[-1].body


def test_an_order_that_was_paid_or_ended_meanwhile_is_not_mailed_as_placed(
    by_card: Order, stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    assert later_job()["subject_id"] == str(by_card.id)
    assert not send_mail(mail=Mail.ORDER_PLACED, subject_id=by_card.id)
    waiting = buy("huge")
    Payment.objects.filter(order_id=waiting.order_id).update(expires_at=timezone.now())
    assert not send_mail(mail=Mail.ORDER_PLACED, subject_id=waiting.order_id)
    assert queued_mails() == ["payment_received"]


def test_a_failed_card_payment_sends_a_mail(stripe: StripeCheckoutStub, ada: Customer, buy: Buy) -> None:
    buy("l")
    session = stripe.pay(stripe.sessions["cs_1"], processing=True)
    settle_event_of_type("checkout.session.completed", session)
    settle_event_of_type("checkout.session.async_payment_failed", session)
    assert queued_mails() == ["payment_failed"]
    text = send_next()
    assert "The payment of 16.000 OMR for Acme failed, and nothing was charged." in text
    assert "You can order again at any time." in text


@pytest.mark.parametrize(
    "state",
    [{"status": "deleted", "deleted_at": datetime.now(UTC)}, {"status": "suspended", "suspended_by_staff": True}],
)
def test_no_mail_invites_an_organization_that_may_not_order_to_order(by_card: Order, state: dict[str, Any]) -> None:
    Organization.objects.update(**state)
    send_mail(mail=Mail.CANCELED, subject_id=Subscription.objects.get().id)
    assert "You will not be charged again." in mail.outbox[-1].body
    assert "order again" not in mail.outbox[-1].body


def test_an_expired_session_sends_no_mail(stripe: StripeCheckoutStub, buy: Buy) -> None:
    buy("l")
    settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"] | {"status": "expired"})
    assert queued_mails() == []


@pytest.mark.parametrize(
    ("card_minor", "lines"),
    [
        (
            None,
            "Refunded to your card, in total: 15.000 OMR. Your bank may take some days to show it.\n"
            "Returned to your credit: 1.000 OMR.",
        ),
        (
            4_000,
            "Refunded to your card, in total: 4.000 OMR. Your bank may take some days to show it.\n"
            "Your credit is now 0.005 OMR.",
        ),
    ],
)
def test_a_refund_sends_a_mail(by_card: Order, card_minor: int | None, lines: str) -> None:
    refund = refund_order(order_id=by_card.id, card_minor=card_minor, why="a mistake", by=actor())
    assert refund is not None
    assert queued_mails() == ["payment_received"]
    send_refund(refund_id=refund.id, by=worker_actor())
    assert queued_mails() == ["payment_received", "refunded"]
    text = send_next()
    assert lines in text
    assert ("What this order paid for has ended." in text) is (card_minor is None)
    assert "a mistake" not in text


def test_a_subscription_that_stripe_charges_sends_the_same_mails(by_card: Order) -> None:
    failed = stripe_invoice("in_2")
    assert settle_event_of_type("invoice.payment_failed", failed) == "past_due"
    assert settle_event_of_type("invoice.payment_failed", failed) == "unchanged"
    text = send_next()
    assert "from 1 March 2027 until 1 April 2027 of Acme costs 16.000 OMR.\nYour card could not be charged." in text
    assert "Please pay 16.000 OMR here:\n\n  https://invoice.example/in_2\n" in text
    assert "Or redeem a voucher: credit that covers the month pays for it at once." in text

    assert settle_event_of_type("invoice.paid", failed) == "renewed"
    assert settle_event_of_type("invoice.paid", failed) == "renewed"
    text = send_next()
    assert text.startswith("Sovereign: Acme is renewed until 1 April 2027\n")
    assert "Paid by card.\nYour invoice: https://invoice.example/in_2.pdf\n" in text

    assert queued_mails() == ["payment_received", "past_due", "renewed"]

    ended = {"id": "sub_1", "object": "subscription", "status": "canceled", "metadata": {}}
    assert settle_event_of_type("customer.subscription.deleted", ended) == "canceled"
    assert settle_event_of_type("customer.subscription.deleted", ended) == "older"
    assert "The subscription of Acme ended on " in send_next()
    assert queued_mails()[0] == "payment_received"
    assert [len(event_data(f"subscription.{kind}")) for kind in ("past_due", "renewed", "canceled")] == [1, 1, 1]


def test_an_unpaid_month_sends_one_mail_whichever_event_comes_first(by_card: Order) -> None:
    changed = {"id": "sub_1", "object": "subscription", "status": "past_due", "metadata": {}}
    assert settle_event_of_type("customer.subscription.updated", changed) == "past_due"
    assert settle_event_of_type("invoice.payment_failed", stripe_invoice("in_2")) == "unchanged"
    assert settle_event_of_type("invoice.payment_failed", stripe_invoice("in_2")) == "unchanged"
    assert queued_mails() == ["payment_received", "past_due"]
    assert "https://invoice.example/in_2" in send_next()


def test_a_mail_that_is_no_longer_true_is_not_sent(by_card: Order) -> None:
    settle_event_of_type("invoice.payment_failed", stripe_invoice("in_2"))
    job = queued_jobs("send_mail")[-1]
    settle_event_of_type("invoice.paid", stripe_invoice("in_2"))
    assert not send_mail(mail=Mail.PAST_DUE, subject_id=UUID(job["subject_id"]), event_id=job["event_id"])
    assert mail.outbox == []


def test_a_customer_without_an_address_is_skipped(by_card: Order) -> None:
    Customer.objects.update(email="")
    assert not send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=by_card.id)
    assert mail.outbox == []


def test_no_mail_is_sent_if_mail_is_not_configured(by_card: Order, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert not send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=by_card.id)


def test_mails_that_are_not_sent_are_one_warning_a_minute(
    by_card: Order, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    for seconds, warnings in ((1_000_000, 1), (1_000_000, 1), (1_000_059, 1), (1_000_061, 2)):
        clock = SimpleNamespace(monotonic=lambda now=seconds: now)
        monkeypatch.setattr("orders.use_cases.mail.send_mail.time", clock)
        send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=by_card.id)
        assert caplog.text.count("mail_not_configured") == warnings, seconds


def test_a_name_cannot_add_a_header_or_markup(by_card: Order) -> None:
    Organization.objects.update(name="Tom & <Co>\nBcc: all@example.org")
    text = send_next()
    assert text.startswith("Sovereign: receipt for Tom & <Co>")
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].recipients() == ["ada@example.org"]


def test_a_mail_is_queued_only_if_its_transaction_commits(by_card: Order) -> None:
    with transaction.atomic():
        queue_mail(Mail.REFUNDED, by_card.id)
        transaction.set_rollback(True)
    assert queued_mails() == ["payment_received"]


def test_no_mail_contains_a_key(by_card: Order, settings: Any) -> None:
    settle_event_of_type("invoice.payment_failed", stripe_invoice("in_2"))
    for kind, subject in [
        (Mail.PAYMENT_RECEIVED, by_card.id),
        (Mail.REFUNDED, by_card.id),
        (Mail.PAST_DUE, Invoice.objects.get(stripe_invoice_id="in_2").id),
        (Mail.RENEWED, Invoice.objects.get(stripe_invoice_id="in_2").id),
    ]:
        assert send_mail(mail=kind, subject_id=subject)
    for message in mail.outbox:
        assert settings.INITIAL_STRIPE_SECRET_KEY not in message.message().as_string()
        assert "pi_cs_1" not in message.message().as_string()


def test_a_stripe_subscription_that_credit_replaces_also_ends_at_stripe(
    by_card: Order, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 9_000)
    buy("m")
    assert queued_jobs("cancel_stripe_subscription") == [{"subscription_id": "sub_1"}]
    assert Subscription.objects.get(stripe_subscription_id="sub_1").status == "canceled"
    assert newest_subscription().paid_by == "credit"


def test_the_worker_sends_a_mail_once(by_card: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET queue_name = 'elsewhere' WHERE task_name <> 'send_mail'")
    with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
        app.run_worker(queues=["mail"], wait=False, install_signal_handlers=False, listen_notify=False)
    assert [message.subject for message in mail.outbox] == ["Sovereign: receipt for Acme"]
    assert mail.outbox[0].extra_headers["Message-ID"].startswith("<job-")
    assert queued_mails() == []
    assert len(queued_jobs("provision_organization")) == 1


def test_a_mail_names_the_day_of_the_sovereigns_zone(buy: Buy, settings: Any) -> None:
    settings.SOVEREIGN_TIME_ZONE = "Asia/Muscat"
    order = buy("flexi")
    # 01:00 of the next day in Muscat.
    Order.objects.filter(pk=order.order_id).update(completed_at=datetime(2026, 11, 1, 21, 0, tzinfo=UTC))
    send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=order.order_id)
    assert "2 November 2026" in mail.outbox[-1].body
