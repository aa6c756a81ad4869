"""Mails to staff are in the language in which the member of staff last read the console."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import translation

from billing.actor import APPROVER, CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN
from billing.language import say
from billing.models import AuditEntry, Proposal, User
from billing.use_cases.mail.staff_language import language_of_staff
from billing.use_cases.proposals.mail import send_proposal_mail
from promos.models import Alert
from promos.use_cases.alerts.send_alert_mail import send_alert_mail
from tests.billing.mail.test_compose_mail import Reader
from tests.console import client_of, create_user, propose_adjustment
from tests.factories import CustomerFactory, actor, give_credit
from tests.snapshot import only_changes

pytestmark = pytest.mark.django_db
ARABIC, ENGLISH = {"Accept-Language": "ar-OM,ar;q=0.9"}, {"Accept-Language": "en-GB"}


@pytest.fixture
def proposal() -> Proposal:
    customer = CustomerFactory.create(user_id="ada", email="ada@example.org")
    give_credit(customer, 50_000)
    return propose_adjustment(customer, by=actor(SUPERADMIN, user_id="root", email="root@example.org"))


def language_of(user: User) -> str:
    return User.objects.values_list("language", flat=True).get(pk=user.pk)


def sent_html() -> str:
    message: Any = mail.outbox[-1]
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return str(html)


def test_an_approver_who_reads_the_console_in_arabic_is_mailed_in_arabic(proposal: Proposal) -> None:
    approver = create_user(APPROVER)
    client_of(approver).get("/admin/", headers=ARABIC)
    assert send_proposal_mail(proposal_id=proposal.pk, address=approver.email.upper())
    [sent] = mail.outbox
    assert sent.subject.startswith("بانتظار الموافقة لدى Sovereign: تعديل رصيد \u2068ada@example.org\u2069")
    with translation.override("ar"):
        name = say("Credit")
    assert f"- \u2068{name}\u2069: \u206850.000 OMR\u2069 ← \u206855.000 OMR\u2069" in sent.body
    assert "اقترح root@example.org (المشرف العام)" in sent.body
    assert "السبب: an outage" in sent.body
    address = f"https://sovereign.example{reverse('admin:billing_proposal_change', args=[proposal.pk])}"
    assert f"افتحه في لوحة التحكم: \u2068{address}\u2069\n" in sent.body
    html = sent_html()
    assert f'<a href="{address}"' in html and ">افتحه في لوحة التحكم</a>" in html
    assert '<html lang="ar" dir="rtl">' in html and "\u206855.000 OMR\u2069" in html
    assert Reader(html).open == []


def test_others_are_mailed_in_the_default_language(proposal: Proposal) -> None:
    approver = create_user(APPROVER)
    client_of(approver).get("/admin/", headers=ENGLISH)
    assert language_of(approver) == ""
    for address in (approver.email, "unknown@example.org"):
        assert send_proposal_mail(proposal_id=proposal.pk, address=address)
        assert "- Credit: 50.000 OMR → 55.000 OMR" in mail.outbox[-1].body
        assert '<html lang="en" dir="ltr">' in sent_html()


@pytest.mark.parametrize(
    ("kind", "number", "allowed", "arabic", "english"),
    [
        ("address", 1240, 0, "(\u20681,240\u2069)", "Many refusals from one address: SHOPS (1,240)"),
        ("budget_80", 8_000, 10_000, "ر.ع", "80% of a campaign's budget is used: SHOPS (8.000 OMR of 10.000 OMR)"),
        ("cap_100", 20, 20, "\u206820\u2069", "A voucher's cap is used up: SHOPS (20 of 20)"),
    ],
)
def test_an_alert_is_mailed_in_the_language_of_its_reader(
    kind: str, number: int, allowed: int, arabic: str, english: str
) -> None:
    alert = Alert.objects.create(kind=kind, subject="SHOPS", number=number, allowed=allowed)
    reader, other = create_user(SOVEREIGN_ADMIN), create_user(SUPERADMIN)
    client_of(reader).get("/admin/", headers=ARABIC)
    assert send_alert_mail(alert_id=alert.pk, address=reader.email)
    [sent] = mail.outbox
    assert (
        sent.subject.startswith("تنبيه لدى Sovereign: ") and "\u2068SHOPS\u2069" in sent.body and arabic in sent.body
    )
    assert '<html lang="ar" dir="rtl">' in sent_html()
    assert send_alert_mail(alert_id=alert.pk, address=other.email)
    assert english in mail.outbox[-1].body


def test_a_mail_to_staff_links_to_the_console_wherever_it_is(settings: Any) -> None:
    settings.CONSOLE_URL = "https://console.example"
    alert = Alert.objects.create(kind="address", subject="SHOPS", number=240)
    assert send_alert_mail(alert_id=alert.pk, address="noor@example.org")
    address = f"https://console.example{reverse('admin:promos_alert_change', args=[alert.pk])}"
    assert f"  Open it in the console: {address}\n" in mail.outbox[-1].body
    assert f'<a href="{address}"' in sent_html() and ">Open it in the console</a>" in sent_html()


def test_the_language_is_written_only_when_it_changes(django_assert_num_queries: Any) -> None:
    user = create_user(SUPERADMIN)
    browser, page = client_of(user), reverse("admin:orders_order_mails")
    browser.get(page, headers=ENGLISH)
    with django_assert_num_queries(QUERIES):
        browser.get(page, headers=ENGLISH)
    with only_changes("billing_user"), django_assert_num_queries(QUERIES + 1):
        browser.get(page, headers=ARABIC)
    with django_assert_num_queries(QUERIES):
        browser.get(page, headers=ARABIC)
    assert language_of(user) == "ar"
    browser.post(reverse("language"), {"language": "en"})
    browser.get(page, headers=ARABIC)
    assert language_of(user) == "en"
    assert not AuditEntry.objects.exists()


# The session, the user with its permissions, and the figures beside the menu.
QUERIES = 5


def test_the_language_of_a_customer_who_opens_the_console_is_not_that_of_staff() -> None:
    customer = create_user(CUSTOMER)
    client_of(customer).get("/admin/", headers=ARABIC)
    Client().get("/admin/login/", headers=ARABIC)
    assert language_of(customer) == ""
    User.objects.update(language="ar")
    assert language_of_staff(customer.email) == ""
