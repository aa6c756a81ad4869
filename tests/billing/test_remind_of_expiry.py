"""A customer gets one mail for each lot that expires soon, and none for credit that is spent, held or gone."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from billing.models import Customer, Lot
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import grant_credit, spend_credit
from billing.use_cases.ledger.remind_of_expiry import remind_of_expiry, send_expiry_reminder
from tests.factories import CustomerFactory, actor, give_credit, give_expired_credit
from tests.orders.subscriptions.run_renewals import queued_jobs

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def grant(customer: Customer, amount_minor: int, expires_in: timedelta) -> UUID:
    expires_at = timezone.now() + expires_in
    return grant_credit(
        customer_id=customer.pk, amount_minor=amount_minor, reason="gift", expires_at=expires_at, by=actor()
    ).pk


def run_round() -> list[bool]:
    """Queue the reminders that are due and send each that this queued. Return which were sent."""
    before = len(queued_jobs("send_expiry_reminder"))
    queued = remind_of_expiry()
    jobs = queued_jobs("send_expiry_reminder")[before:]
    assert len(jobs) == queued
    return [send_expiry_reminder(lot_id=UUID(job["lot_id"])) for job in jobs]


def test_each_lot_is_mailed_once_soon_before_it_expires() -> None:
    ada = CustomerFactory.create(email="ada@example.org")
    give_credit(ada, 50_000)
    give_expired_credit(ada, 1_000)
    first, second = grant(ada, 5_000, 3 * DAY), grant(ada, 6_000, 6 * DAY)
    grant(ada, 7_000, 8 * DAY)
    assert (run_round(), run_round()) == ([True, True], [])
    assert [message.to for message in mail.outbox] == [["ada@example.org"]] * 2
    expiry = Lot.objects.get(pk=first).expires_at
    assert expiry is not None
    assert f"5.000 OMR of your credit expires on {expiry:%-d %B %Y}." in str(mail.outbox[0].body)
    assert "6.000 OMR of your credit expires" in mail.outbox[1].subject
    assert set(Lot.objects.exclude(reminded_at=None).values_list("pk", flat=True)) == {first, second}


def test_spent_and_held_credit_is_not_mailed() -> None:
    ada, bob = (CustomerFactory.create(email=f"{name}@example.org") for name in ("ada", "bob"))
    for customer in (ada, bob):
        grant(customer, 5_000, DAY)
    spend_credit(customer_id=ada.pk, amount_minor=5_000, order_id=uuid4(), by=actor())
    hold_credit(customer_id=bob.pk, amount_minor=5_000, order_id=uuid4())
    assert run_round() == []


def test_credit_that_was_spent_after_the_mail_was_queued_is_not_mailed() -> None:
    ada = CustomerFactory.create(email="ada@example.org")
    lot = grant(ada, 5_000, DAY)
    assert remind_of_expiry() == 1
    spend_credit(customer_id=ada.pk, amount_minor=5_000, order_id=uuid4(), by=actor())
    assert not send_expiry_reminder(lot_id=lot)
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("CREDIT_REMINDER_DAYS", 0), ("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")],
)
def test_without_days_or_mail_nothing_is_noted(settings: Settings, setting: str, value: object) -> None:
    grant(CustomerFactory.create(email="ada@example.org"), 5_000, DAY)
    setattr(settings, setting, value)
    assert remind_of_expiry() == 0
    assert not Lot.objects.exclude(reminded_at=None).exists()
