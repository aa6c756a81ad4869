"""The kind of proposal that approves a draft of a campaign. No limit applies: every draft needs it."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from billing.actor import Actor
from billing.models import Proposal
from billing.use_cases.proposals.drafts import approve_draft
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import propose
from promos.errors import ApprovalNeedsAnother, CampaignNotFound
from promos.models import Campaign
from promos.use_cases.approvals.written_terms import as_json, write_term
from promos.use_cases.campaigns.change_state import check_approvable, record_approval
from promos.use_cases.campaigns.draft_campaign import CampaignTerms, find_for_change
from promos.use_cases.forecasts.forecast_offer import forecast_lines

_NAMES = {
    "name": "Name",
    "purpose": "Purpose",
    "owner_email": "Owner",
    "credit_class": "Credit class",
    "vat_treatment": "VAT",
    "budget_minor": "Budget",
    "hot": "Expect a rush",
    "starts_at": "Valid from",
    "ends_at": "Valid until",
    "restrictions": "Restrictions",
    "credit_days": "Credit lasts (days)",
    "credit_expires_at": "Credit expires",
}


def campaign_arguments(*, campaign_id: UUID) -> Arguments:
    """Returns the arguments of the approval of a campaign."""
    return {"campaign_id": str(campaign_id)}


def propose_campaign(*, campaign_id: UUID, by: Actor, reason: str) -> Proposal:
    """Proposes to approve a draft, and mails those who can decide it.

    Raises: CampaignNotFound, CampaignStateRefuses where it is no draft, ReasonRequired.
    Locks: the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: an open proposal is returned.
    """
    return propose(CAMPAIGN_APPROVAL, campaign_arguments(campaign_id=campaign_id), why=reason, by=by)


def approve_campaign(*, campaign_id: UUID, by: Actor, reason: str) -> Campaign:
    """Approves a draft. Its terms stay as they are from here on, except for its budget and its end.

    This approves its open proposal. A draft that nobody has proposed counts as proposed by its drafter.

    Raises: ApprovalNeedsAnother for its drafter, OwnProposal for its proposer, ProposalStale, CampaignNotFound,
    CampaignStateRefuses, ReasonRequired.
    Locks: Proposal, the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: yes.
    """
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound
    if campaign.status == Campaign.Status.APPROVED:
        return campaign
    if campaign.status == Campaign.Status.DRAFT and by.user_id == campaign.drafted_by:
        raise ApprovalNeedsAnother
    arguments = campaign_arguments(campaign_id=campaign_id)
    approve_draft(CAMPAIGN_APPROVAL, arguments, drafter_id=campaign.drafted_by, by=by, reason=reason)
    campaign.refresh_from_db()
    return campaign


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Approve the campaign {state['name']}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    campaign = find_for_change(UUID(arguments["campaign_id"]))
    terms = {field.name: getattr(campaign, field.name) for field in fields(CampaignTerms)}
    # What its forecast says is a part of what is approved.
    forecast = {"forecast": campaign.forecast} if campaign.forecast else {}
    return as_json({**terms, "status": campaign.status, "drafted_by": campaign.drafted_by, **forecast})


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    written = [Difference(title, "", write_term(name, state[name])) for name, title in _NAMES.items()]
    status = Campaign.Status
    return [
        Difference("State", status(state["status"]).label, status.APPROVED.label),
        *(each for each in written if each.after),
        *(forecast_lines(state["forecast"]) if state.get("forecast") else ()),
    ]


def _check(arguments: Arguments, why: str, by: Actor) -> None:
    check_approvable(find_for_change(UUID(arguments["campaign_id"])))


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    approved = record_approval(campaign_id=UUID(arguments["campaign_id"]), by=by, reason=why)
    return Result(f"{approved} is approved.", *_subject(arguments), value=approved)


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_campaign", arguments["campaign_id"]


CAMPAIGN_APPROVAL = Kind(
    name="campaign_approval",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=lambda arguments, state: {},
    run=_run,
    subject=_subject,
    check=_check,
    by_approver=True,
)
