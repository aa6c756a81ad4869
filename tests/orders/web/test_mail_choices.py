"""Customers choose their mails in the account or by the link of a mail, and reminders respect that."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from billing.models import Customer, Organization, Subscription
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.remind_of_renewal import remind_of_renewals
from orders.use_cases.mail.send_mail import send_mail
from tests.factories import give_credit
from tests.orders.subscriptions.run_renewals import queued_jobs
from tests.orders.web.shop.conftest import Visitor, buyer, catalog, text_of, user, visitor
from tests.orders.web.test_account_pages import bakery, owner

pytestmark = pytest.mark.django_db
__all__ = ["bakery", "buyer", "catalog", "owner", "user", "visitor"]


@pytest.fixture
def subscription(bakery: Organization) -> Subscription:
    """A subscription of 9 that renews in two days, with 21 of credit."""
    return renew_soon(Subscription.objects.get())


def renew_soon(subscription: Subscription) -> Subscription:
    subscription.current_period_end = timezone.now() + timedelta(days=2)
    subscription.save()
    return subscription


def send_reminder(subscription: Subscription) -> Any:
    assert send_mail(mail=Mail.RENEWAL_AHEAD, subject_id=subscription.id)
    return mail.outbox[-1]


def test_a_renewal_is_announced_once_for_each_month(subscription: Subscription) -> None:
    before = len(queued_jobs("send_mail"))
    assert (remind_of_renewals(), remind_of_renewals()) == (1, 0)
    [job] = queued_jobs("send_mail")[before:]
    assert (job["mail"], job["subject_id"]) == ("renewal_ahead", str(subscription.id))
    message = send_reminder(subscription)
    assert "Bakery renews on" in message.subject and "Your credit of 21.000 OMR pays for it." in message.body
    subscription.refresh_from_db()
    subscription.current_period_end += timedelta(hours=1)
    subscription.save()
    assert remind_of_renewals() == 1
    subscription.cancel_at_period_end = True
    subscription.save()
    assert not send_mail(mail=Mail.RENEWAL_AHEAD, subject_id=subscription.id)


def test_credit_that_will_not_cover_the_month_is_said(subscription: Subscription, owner: Customer) -> None:
    give_credit(owner, -12_001)
    message = send_reminder(subscription)
    assert "will not cover Bakery" in message.subject and "8.999 OMR will not cover all" in message.body


def test_a_customer_declines_mails_in_the_account(
    buyer: Visitor, subscription: Subscription, owner: Customer
) -> None:
    assert "A subscription that renews soon" in text_of(buyer.get("account-mails"))
    buyer.post("account-mails", mails=["credit_expires"])
    assert "Your choice is stored." in text_of(buyer.get("account-mails"))
    owner.refresh_from_db()
    assert owner.declined_mails == ["credit_runs_out", "renewal_ahead"]
    assert not send_mail(mail=Mail.RENEWAL_AHEAD, subject_id=subscription.id)
    buyer.post("account-mails", mails=["renewal_ahead", "renewed"])
    assert Customer.objects.get(pk=owner.pk).declined_mails == owner.declined_mails
    buyer.post("account-mails", mails=["renewal_ahead"])
    assert send_mail(mail=Mail.RENEWAL_AHEAD, subject_id=subscription.id)


def test_a_link_of_a_mail_declines_it_without_a_sign_in(subscription: Subscription, owner: Customer) -> None:
    message = send_reminder(subscription)
    address = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and address in message.body
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    anybody = Client(enforce_csrf_checks=True)
    assert "A subscription that renews soon" in text_of(anybody.get(path))
    assert not Customer.objects.get(pk=owner.pk).declined_mails
    assert "You get no more of these mails" in text_of(anybody.post(path, {"List-Unsubscribe": "One-Click"}))
    assert Customer.objects.get(pk=owner.pk).declined_mails == ["renewal_ahead"]
    for wrong in (path[:-1] + "!", parts.path):
        assert anybody.post(wrong).status_code == 404
