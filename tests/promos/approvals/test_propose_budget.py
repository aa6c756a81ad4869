"""A budget that is raised above a limit is proposed."""

from typing import Any

import pytest
from django.urls import reverse

from billing.actor import APPROVER, SOVEREIGN_ADMIN
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from promos.models import Campaign
from promos.use_cases.approvals.propose_budget import change_budget_or_propose
from promos.use_cases.campaigns.change_state import pause_campaign
from promos.use_cases.campaigns.change_terms import change_budget
from tests.console import client_of, create_user
from tests.factories import CampaignFactory, actor
from tests.snapshot import only_changes

pytestmark = pytest.mark.django_db

NOOR = actor(SOVEREIGN_ADMIN, user_id="noor")
AMAL = actor(APPROVER, user_id="amal")


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["raise_budget=50000"])


def change(campaign: Campaign, budget_minor: int) -> Proposal | None:
    return change_budget_or_propose(
        campaign_id=campaign.pk, budget_minor=budget_minor, by=NOOR, reason="it sells well"
    ).proposal


@pytest.mark.parametrize(
    ("before", "after", "proposed"),
    [(10_000, 50_000, False), (10_000, 50_001, True), (90_000, 60_000, False), (10_000, 0, True), (0, 60_000, False)],
)
def test_only_a_budget_that_is_raised_above_the_limit_is_proposed(before: int, after: int, proposed: bool) -> None:
    campaign = CampaignFactory.create(budget_minor=before)
    assert (change(campaign, after) is not None) == proposed
    campaign.refresh_from_db()
    assert campaign.budget_minor == (before if proposed else after)


def test_a_draft_needs_no_approval_of_its_budget_alone() -> None:
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT)
    assert change(campaign, 60_000) is None
    campaign.refresh_from_db()
    assert (campaign.budget_minor, campaign.drafted_by) == (60_000, "noor")


def test_an_approved_budget_is_exactly_the_proposed_one() -> None:
    campaign = CampaignFactory.create(budget_minor=10_000)
    proposal = change(campaign, 60_000)
    assert proposal is not None
    assert proposal.changes == [["Budget", "10.000 OMR", "60.000 OMR"]]
    # Only another budget makes it stale.
    pause_campaign(campaign_id=campaign.pk, by=NOOR, reason="a fault")
    assert approve_proposal(proposal_id=proposal.pk, by=AMAL).status == "approved"
    campaign.refresh_from_db()
    assert campaign.budget_minor == 60_000


def test_a_budget_that_was_changed_meanwhile_is_stale() -> None:
    campaign = CampaignFactory.create(budget_minor=10_000)
    proposal = change(campaign, 60_000)
    assert proposal is not None
    change_budget(campaign_id=campaign.pk, budget_minor=20_000, by=AMAL, reason="less")
    assert approve_proposal(proposal_id=proposal.pk, by=AMAL).status == "failed"
    campaign.refresh_from_db()
    assert campaign.budget_minor == 20_000


def test_the_console_proposes_to_raise_a_budget() -> None:
    campaign = CampaignFactory.create(budget_minor=10_000)
    client = client_of(create_user(SOVEREIGN_ADMIN))
    with only_changes("billing_proposal", "billing_auditentry"):
        done = client.submit(
            reverse("admin:promos_campaign_budget", args=[campaign.pk]), {"budget": "60", "reason": "it sells well"}
        )
    assert done.headers["Location"] == reverse(
        "admin:billing_proposal_change", args=[Proposal.objects.get(status="proposed").pk]
    )
