"""Staff move a customer to another e-mail address. Support proposes it."""

from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from billing.actor import APPROVER, SUPPORT
from billing.errors import (
    AddressTaken,
    CustomerIsStaff,
    InvalidAddress,
    NoSignInHere,
    ReasonRequired,
    SameAddress,
)
from billing.models import OPTIONAL_MAILS, AuditEntry, Customer, User
from billing.use_cases.identity.email_moved_mail import send_email_moved_mail
from billing.use_cases.identity.move_email import move_email
from billing.use_cases.identity.users import create_user, find_user
from billing.use_cases.proposals.decide import approve_proposal
from billing.use_cases.proposals.email_move import move_email_or_propose
from tests.factories import CustomerFactory, actor
from tests.orders.subscriptions.run_renewals import queued_jobs
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

OLD, NEW, WHY = "ada@example.org", "ada@example.net", "lost mailbox, identity card seen"


@pytest.fixture
def ada(db: None) -> Customer:
    create_user(address=OLD, is_verified=True, sub="ada", by=actor())
    return CustomerFactory.create(user_id="ada", email=OLD)


def move(customer: Customer, address: str = NEW, *, why: str = WHY) -> Customer:
    return move_email(customer_id=customer.pk, address=address, why=why, by=actor())


def test_the_new_address_signs_in_and_the_old_one_no_longer_does(ada: Customer) -> None:
    before = User.objects.get(sub="ada").session_version
    move(ada, " Ada@Example.NET ")
    user = User.objects.get(sub="ada")
    assert (find_user(address=NEW), find_user(address=OLD)) == (user, None)
    assert (user.email, user.session_version) == (NEW, before + 1)
    assert Customer.objects.get(pk=ada.pk).email == NEW
    entry = AuditEntry.objects.get(action="customer.email_moved")
    assert (entry.object_type, entry.object_id, entry.reason) == ("customer", str(ada.pk), WHY)
    assert entry.changes == {"email": [OLD, NEW]}


def send_queued_mails() -> None:
    for job in queued_jobs("send_email_moved_mail"):
        assert send_email_moved_mail(entry_id=UUID(job["entry_id"]), mail=job["mail"])


def test_a_mail_tells_the_old_and_the_new_address_and_neither_names_the_other(ada: Customer) -> None:
    Customer.objects.filter(pk=ada.pk).update(declined_mails=OPTIONAL_MAILS)
    move(ada)
    send_queued_mails()
    outbox: list[Any] = mail.outbox
    away, here = outbox
    assert (away.to, here.to) == ([OLD], [NEW])
    assert away.subject == "Sovereign: you no longer sign in with this address"
    assert here.subject == "Sovereign: you sign in with this address now"
    for sent, own, other in ((away, OLD, NEW), (here, NEW, OLD)):
        [(html, kind)] = sent.alternatives
        assert kind == "text/html"
        for text in (sent.body, str(html)):
            assert own in text and other not in text and "tell us at once" in text
        assert "List-Unsubscribe" not in sent.extra_headers
    assert away.extra_headers["Message-ID"] != here.extra_headers["Message-ID"]


def test_the_mails_are_in_the_customers_language(ada: Customer) -> None:
    Customer.objects.filter(pk=ada.pk).update(language="ar")
    move(ada)
    send_queued_mails()
    outbox: list[Any] = mail.outbox
    for sent in outbox:
        [(html, _)] = sent.alternatives
        assert "نقل موظفونا حسابك" in sent.body and '<html lang="ar" dir="rtl">' in html


def test_a_customer_without_an_address_gets_one_mail_and_an_erased_one_none(ada: Customer) -> None:
    User.objects.filter(sub="ada").update(email="")
    move(ada)
    [job] = queued_jobs("send_email_moved_mail")
    assert job["mail"] == "email_moved_here"
    Customer.objects.filter(pk=ada.pk).update(email="", language="", declined_mails=[], erased_at=timezone.now())
    assert not send_email_moved_mail(entry_id=UUID(job["entry_id"]), mail=job["mail"])
    assert mail.outbox == []


def test_an_address_that_another_user_did_not_prove_is_free(ada: Customer) -> None:
    other = create_user(address=NEW, is_verified=False, sub="eve", by=actor())
    EmailAddress.objects.create(user=other, email=NEW, verified=False, primary=True)
    move(ada)
    assert find_user(address=NEW) == User.objects.get(sub="ada")


def test_what_cannot_be_moved_is_refused(ada: Customer) -> None:
    create_user(address="bob@example.org", is_verified=True, sub="bob", by=actor())
    elsewhere = CustomerFactory.create(user_id="platform")
    with nothing_changes():
        for address, refusal in (("bob@example.org", AddressTaken), (OLD, SameAddress), ("ada", InvalidAddress)):
            with pytest.raises(refusal):
                move(ada, address)
        with pytest.raises(ReasonRequired):
            move(ada, why=" ")
        with pytest.raises(NoSignInHere):
            move(elsewhere)
    User.objects.filter(sub="ada").update(is_staff=True)
    with nothing_changes(), pytest.raises(CustomerIsStaff):
        move(ada)


def test_support_proposes_a_move_and_an_approver_carries_it_out(ada: Customer, settings: Any) -> None:
    support = actor(SUPPORT, user_id="sara")
    with only_changes("billing_proposal", "billing_auditentry"):
        outcome = move_email_or_propose(customer_id=ada.pk, address=NEW, why=WHY, by=support)
    assert outcome.proposal is not None
    assert outcome.proposal.changes == [["E-mail", OLD, NEW]]
    done = approve_proposal(proposal_id=outcome.proposal.pk, by=actor(APPROVER, user_id="amal"))
    assert (done.status, done.outcome) == ("approved", f"The customer signs in as {NEW} now.")
    entry = AuditEntry.objects.get(action="customer.email_moved")
    assert (entry.actor_id, "approved by" in entry.reason) == ("sara", True)
