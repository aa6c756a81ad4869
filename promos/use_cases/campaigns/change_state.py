"""Activates, pauses or ends a campaign: all its codes at once. No campaign is ever deleted."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.language import say
from billing.text import has_visible_text
from billing.use_cases.proposals.drafts import withdraw_proposals
from promos.errors import ApprovalNeedsAnother, CampaignStateRefuses
from promos.models import Campaign
from promos.use_cases.campaigns.draft_campaign import changes_of, find_for_change, record_campaign

Status = Campaign.Status


def record_approval(*, campaign_id: UUID, by: Actor, reason: str) -> Campaign:
    """Records that a draft is approved. Only the approval of its proposal calls this.

    Raises: ApprovalNeedsAnother for its drafter, CampaignNotFound, CampaignStateRefuses, ReasonRequired.
    Locks: the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: yes.
    """
    return _change(campaign_id, Status.APPROVED, action="campaign.approved", by=by, reason=reason)


def check_approvable(campaign: Campaign) -> None:
    """Raises: CampaignStateRefuses unless the campaign is a draft."""
    _check_transition(campaign, Status.APPROVED)


def activate_campaign(*, campaign_id: UUID, by: Actor, reason: str) -> Campaign:
    """Lets the codes of an approved or paused campaign be redeemed. Otherwise as `pause_campaign`."""
    return _change(campaign_id, Status.ACTIVE, action="campaign.activated", by=by, reason=reason)


def pause_campaign(*, campaign_id: UUID, by: Actor, reason: str) -> Campaign:
    """Stops the redemption of all its codes. When this returns, no redemption of one is in flight.

    Raises: CampaignNotFound, CampaignStateRefuses, ReasonRequired.
    Locks: the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: yes.
    """
    return _change(campaign_id, Status.PAUSED, action="campaign.paused", by=by, reason=reason)


def end_campaign(*, campaign_id: UUID, by: Actor, reason: str) -> Campaign:
    """Ends the campaign for good. Customers keep the credit that it granted. Otherwise as `pause_campaign`."""
    return _change(campaign_id, Status.ENDED, action="campaign.ended", by=by, reason=reason)


def _change(campaign_id: UUID, status: Status, *, action: str, by: Actor, reason: str) -> Campaign:
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        # Races with redemptions in flight and with another act, so the campaign is read under the lock.
        campaign = find_for_change(campaign_id)
        if campaign.status == status:
            return campaign
        _check_transition(campaign, status)
        state = {"status": status.value}
        if status == Status.APPROVED:
            if by.user_id == campaign.drafted_by:
                raise ApprovalNeedsAnother
            state["approved_by"] = by.user_id
        changes = changes_of(campaign, state)
        for name, value in state.items():
            setattr(campaign, name, value)
        campaign.updated_at = timezone.now()
        campaign.save(update_fields=[*state, "updated_at"])
        if status == Status.ENDED:
            withdraw_proposals(model="promos_campaign", key=str(campaign.pk), by=by, reason=reason)
        record_campaign(campaign, action, by=by, changes=changes, reason=reason)
        return campaign


def _check_transition(campaign: Campaign, status: Status) -> None:
    if status not in Campaign.TRANSITIONS[Status(campaign.status)]:
        states = {"before": say(campaign.status), "after": say(status.value)}
        raise CampaignStateRefuses(say("a campaign that is %(before)s cannot become %(after)s", **states))
