"""Drafts of campaigns and batches are proposed, and take effect once another member of staff approves them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import APPROVER, SOVEREIGN_ADMIN, Actor
from billing.errors import OwnProposal, ProposalDecided, ProposalStale
from billing.models import AuditEntry, Proposal
from billing.use_cases.proposals.decide import approve_proposal, reject_proposal
from promos.errors import ApprovalNeedsAnother, BatchStateRefuses, CampaignStateRefuses
from promos.models import Batch, Campaign
from promos.use_cases.approvals.approve_batch import approve_batch, propose_batch
from promos.use_cases.approvals.approve_campaign import approve_campaign, propose_campaign
from promos.use_cases.campaigns.change_state import end_campaign
from promos.use_cases.campaigns.change_terms import change_budget
from promos.use_cases.campaigns.draft_campaign import CampaignTerms, change_draft, draft_campaign
from promos.use_cases.cards.change_batch import void_batch
from tests.console import client_of, create_user, shown_messages
from tests.factories import actor
from tests.promos.cards.make_batch import DRAFTER, draft
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

NOOR = actor(SOVEREIGN_ADMIN, user_id="noor")
OMAR = actor(SOVEREIGN_ADMIN, user_id="omar", email="omar@example.org")
AMAL = actor(APPROVER, user_id="amal", email="amal@example.org")


@pytest.fixture
def spring(db: None) -> Campaign:
    return draft_campaign(terms=CampaignTerms(name="Spring", budget_minor=20_000), by=NOOR)


def propose(campaign: Campaign, *, by: Actor = NOOR) -> Proposal:
    return propose_campaign(campaign_id=campaign.pk, by=by, reason="for the season")


def statuses() -> list[str]:
    return list(Proposal.objects.order_by("created_at").values_list("status", flat=True))


def test_a_proposed_campaign_names_its_terms_and_is_approved_from_the_inbox(spring: Campaign) -> None:
    proposal = propose(spring)
    assert proposal.title == "Approve the campaign Spring"
    for line in (["State", "Draft", "Approved"], ["Budget", "", "20.000 OMR"], ["Credit class", "", "Promotional"]):
        assert line in proposal.changes
    assert propose(spring) == proposal
    approve_proposal(proposal_id=proposal.pk, by=AMAL, comment="as agreed")
    spring.refresh_from_db()
    assert (spring.status, spring.approved_by) == ("approved", "amal")
    entry = AuditEntry.objects.get(action="campaign.approved")
    assert (entry.actor_id, entry.reason) == ("amal", "as agreed")


def test_the_drafter_and_the_proposer_cannot_approve(spring: Campaign) -> None:
    proposal = propose(spring, by=OMAR)
    with nothing_changes():
        with pytest.raises(ApprovalNeedsAnother):
            approve_campaign(campaign_id=spring.pk, by=NOOR, reason="mine")
        with pytest.raises(ApprovalNeedsAnother):
            approve_proposal(proposal_id=proposal.pk, by=NOOR)
        with pytest.raises(OwnProposal):
            approve_campaign(campaign_id=spring.pk, by=OMAR, reason="mine")


def test_the_page_of_a_campaign_decides_its_open_proposal(spring: Campaign) -> None:
    proposal = propose(spring)
    approve_campaign(campaign_id=spring.pk, by=OMAR, reason="as agreed")
    proposal.refresh_from_db()
    assert (proposal.status, proposal.decider_id, proposal.comment) == ("approved", "omar", "as agreed")
    with nothing_changes():
        assert approve_campaign(campaign_id=spring.pk, by=OMAR, reason="again").status == "approved"


def test_a_draft_that_nobody_proposed_counts_as_proposed_by_its_drafter(spring: Campaign) -> None:
    approve_campaign(campaign_id=spring.pk, by=OMAR, reason="as agreed")
    proposal = Proposal.objects.get()
    assert (proposal.status, proposal.proposer_id, proposal.decider_id) == ("approved", "noor", "omar")


CHANGES: list[Callable[[Campaign], Any]] = [
    lambda spring: change_draft(campaign_id=spring.pk, terms={"budget_minor": 90_000}, by=NOOR),
    lambda spring: change_budget(campaign_id=spring.pk, budget_minor=90_000, by=NOOR, reason="more"),
    lambda spring: end_campaign(campaign_id=spring.pk, by=NOOR, reason="dropped"),
]


@pytest.mark.parametrize("change", CHANGES, ids=["redrafted", "budget", "ended"])
def test_a_change_of_the_draft_withdraws_its_proposal(spring: Campaign, change: Callable[[Campaign], Any]) -> None:
    proposal = propose(spring)
    change(spring)
    with nothing_changes(), pytest.raises(ProposalDecided):
        approve_proposal(proposal_id=proposal.pk, by=AMAL)
    assert statuses() == ["withdrawn"]


def test_a_draft_that_changes_behind_its_proposal_is_stale(spring: Campaign) -> None:
    proposal = propose(spring)
    Campaign.objects.filter(pk=spring.pk).update(budget_minor=90_000)
    with nothing_changes(), pytest.raises(ProposalStale):
        approve_campaign(campaign_id=spring.pk, by=OMAR, reason="as agreed")
    assert approve_proposal(proposal_id=proposal.pk, by=AMAL).status == "failed"


def test_a_rejected_draft_is_proposed_again(spring: Campaign) -> None:
    reject_proposal(proposal_id=propose(spring).pk, by=AMAL, reason="too much")
    spring.refresh_from_db()
    assert spring.status == "draft"
    propose(spring)
    assert statuses() == ["rejected", "proposed"]


def test_only_a_draft_is_proposed(spring: Campaign) -> None:
    end_campaign(campaign_id=spring.pk, by=NOOR, reason="dropped")
    batch = draft()
    void_batch(batch=batch, by=DRAFTER, reason="dropped")
    with nothing_changes():
        with pytest.raises(CampaignStateRefuses):
            propose(spring)
        with pytest.raises(BatchStateRefuses):
            propose_batch(batch=batch, by=NOOR, reason="for shops")


def test_a_proposed_batch_names_its_credit_and_is_approved_once() -> None:
    batch = draft(size=3)
    proposal = propose_batch(batch=batch, by=DRAFTER, reason="for shops")
    for line in (["Cards", "", "3"], ["Credit of all cards", "", "15.000 OMR"], ["Campaign", "", "General"]):
        assert line in proposal.changes
    approve_batch(batch=batch, by=AMAL, reason="as agreed")
    proposal.refresh_from_db()
    batch.refresh_from_db()
    assert (batch.status, batch.approved_by, proposal.status) == (Batch.Status.APPROVED, "amal", "approved")


def test_the_console_proposes_a_draft() -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    for record in (draft_campaign(terms=CampaignTerms(name="Spring"), by=NOOR), draft()):
        address = reverse(f"admin:promos_{type(record).__name__.lower()}_propose", args=[record.pk])
        with only_changes("billing_proposal", "billing_auditentry"):
            done = client.submit(address, {"reason": "for the season"})
        assert "it is proposed" in shown_messages(done)[0]
        key = Proposal.objects.latest("created_at").pk
        assert done.headers["Location"] == reverse("admin:billing_proposal_change", args=[key])
