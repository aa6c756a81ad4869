"""Proposals in the console: the inbox, its badge, a page with the exact difference, and the decisions."""

from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.actor import APPROVER, AUDITOR, SUPERADMIN
from billing.models import Account, Customer, Proposal
from config.parts.approvals import approval_limits
from tests.console import client_of, console_actor, create_user, form_errors, propose_adjustment, shown_messages
from tests.factories import CustomerFactory, give_credit
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

INBOX = "admin:billing_proposal_changelist"


@pytest.fixture
def ada(db: None) -> Customer:
    customer = CustomerFactory.create(user_id="ada", email="ada@example.org")
    give_credit(customer, 50_000)
    return customer


def page(verb: str, proposal: Proposal) -> str:
    return reverse(f"admin:billing_proposal_{verb}", args=[proposal.pk])


def test_an_adjustment_above_the_limit_becomes_a_proposal(ada: Customer, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["adjust_credit=1000"])
    root = create_user(SUPERADMIN)
    client = client_of(root)
    sent = {"amount": "5", "reason": "an outage", "confirmed": "yes"}
    with only_changes("billing_proposal", "billing_auditentry"):
        done = client.submit(reverse("admin:billing_customer_adjust", args=[ada.pk]), sent)
    proposal = Proposal.objects.get()
    assert done.headers["Location"] == page("change", proposal)
    assert shown_messages(done) == [
        "This needs the approval of another member of staff: it is proposed, and not carried out yet."
    ]
    assert (proposal.proposer_id, proposal.reason) == (root.sub, "an outage")
    assert client.get(page("approve", proposal)).status_code == HTTPStatus.OK
    tools = {tool.title for tool in client.get(page("change", proposal)).context["tools"]}
    assert tools == {"Withdraw"}


def test_an_approver_sees_the_difference_and_approves_once(ada: Customer) -> None:
    proposal = propose_adjustment(ada)
    client = client_of(create_user(APPROVER))
    shown = client.get(page("change", proposal)).content.decode()
    assert "50.000 OMR" in shown
    assert "55.000 OMR" in shown
    token = client.token_of(page("approve", proposal))
    done = client.submit(page("approve", proposal), {"reason": "", "form_token": token})
    assert shown_messages(done) == ["Approved: The credit of ada@example.org is adjusted by 5.000 OMR."]
    assert Account.objects.get(pk=ada.pk).balance_minor == 55_000
    with nothing_changes():
        client.submit(page("approve", proposal), {"reason": "", "form_token": token})
    assert not client.get(page("change", proposal)).context["tools"]


def test_the_proposer_cannot_approve_in_the_console(ada: Customer) -> None:
    root = create_user(SUPERADMIN)
    proposal = propose_adjustment(ada, by=console_actor(root))
    client = client_of(root)
    with nothing_changes():
        answer = client.submit(page("approve", proposal), {"reason": ""})
    assert "Nobody may decide their own proposal: ask another member of staff." in answer.content.decode()


def test_a_rejection_needs_a_reason(ada: Customer) -> None:
    proposal = propose_adjustment(ada)
    client = client_of(create_user(APPROVER))
    with nothing_changes():
        assert "reason" in form_errors(client.submit(page("reject", proposal), {"reason": ""}))
    client.submit(page("reject", proposal), {"reason": "too much"})
    proposal.refresh_from_db()
    assert (proposal.status, proposal.comment) == ("rejected", "too much")
    assert Account.objects.get(pk=ada.pk).balance_minor == 50_000


def test_the_proposer_withdraws(ada: Customer) -> None:
    root = create_user(SUPERADMIN)
    proposal = propose_adjustment(ada, by=console_actor(root))
    client_of(root).submit(page("withdraw", proposal), {"reason": "a typo"})
    proposal.refresh_from_db()
    assert proposal.status == "withdrawn"


def test_a_stale_proposal_says_so(ada: Customer) -> None:
    proposal = propose_adjustment(ada)
    give_credit(ada, 1)
    done = client_of(create_user(APPROVER)).submit(page("approve", proposal), {"reason": ""})
    assert shown_messages(done) == [
        "Not carried out: This changed after it was proposed, so nothing was done: propose it again."
    ]
    assert Account.objects.get(pk=ada.pk).balance_minor == 50_001


def test_the_badge_counts_what_waits_for_this_member_of_staff(ada: Customer) -> None:
    root = create_user(SUPERADMIN)
    propose_adjustment(ada, by=console_actor(root))
    propose_adjustment(ada, amount_minor=1)
    found = {
        role: badge_of(user)
        for role, user in ((SUPERADMIN, root), *((r, create_user(r)) for r in (APPROVER, AUDITOR)))
    }
    assert found == {SUPERADMIN: 1, APPROVER: 2, AUDITOR: None}


def badge_of(user: Any) -> int | None:
    answer = client_of(user).get(reverse("admin:index"))
    groups = answer.context["sidebar_navigation"]
    [found] = [item.get("badge") for group in groups for item in group["items"] if item["title"] == "Proposals"]
    badge: int | None = found
    return badge


def test_the_inbox_shows_what_waits_and_costs_the_same_at_50_rows(ada: Customer) -> None:
    client = client_of(create_user(APPROVER))
    counts = []
    for number in (1, 50):
        for each in range(number):
            propose_adjustment(ada, amount_minor=number * 100 + each)
        with CaptureQueriesContext(connection) as counted:
            assert client.get(reverse(INBOX)).status_code == HTTPStatus.OK
        counts.append(len(counted))
    assert counts[0] == counts[1]
    assert len(client.get(reverse(INBOX), {"state": "approved"}).context["cl"].result_list) == 0
    for query in ({"q": "ada"}, {"state": "all"}):
        assert len(client.get(reverse(INBOX), query).context["cl"].result_list) == 50
