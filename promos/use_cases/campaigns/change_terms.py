"""Changes the terms that an approved campaign may still change: its budget and its end."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.proposals.drafts import withdraw_proposals
from promos.errors import CampaignStateRefuses
from promos.models import Campaign
from promos.use_cases.campaigns.draft_campaign import (
    GivenCampaignTerms,
    changes_of,
    complete_terms,
    count_budget,
    find_for_change,
    record_campaign,
)


def change_budget(*, campaign_id: UUID, budget_minor: int, by: Actor, reason: str) -> Campaign:
    """Raises or lowers the budget, never under what live redemptions have used of it.

    Args: budget_minor: smallest unit; 0 means unlimited.
    Raises: BudgetBelowUsed, CampaignNotFound, CampaignStateRefuses for an ended one, InvalidCampaign, ReasonRequired.
    Locks: the campaign's advisory lock, exclusively. Transaction: owns. Idempotency: yes.
    """
    return _change(
        campaign_id, {"budget_minor": budget_minor}, action="campaign.budget_changed", by=by, reason=reason
    )


def change_end(*, campaign_id: UUID, ends_at: datetime | None, by: Actor, reason: str) -> Campaign:
    """Extends or shortens the window. Otherwise as `change_budget`."""
    return _change(campaign_id, {"ends_at": ends_at}, action="campaign.end_changed", by=by, reason=reason)


def _change(campaign_id: UUID, state: GivenCampaignTerms, *, action: str, by: Actor, reason: str) -> Campaign:
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        # Races with redemptions in flight and with another act, so the campaign is read under the lock.
        campaign = find_for_change(campaign_id)
        if campaign.status == Campaign.Status.ENDED:
            raise CampaignStateRefuses("the campaign has ended")
        complete_terms(campaign, state)
        changes = changes_of(campaign, state)
        if not changes:
            return campaign
        for name, value in state.items():
            setattr(campaign, name, value)
        if campaign.status == Campaign.Status.DRAFT:
            # Nobody approves terms that they have changed.
            campaign.drafted_by = by.user_id
            withdraw_proposals(model="promos_campaign", key=str(campaign.pk), by=by, reason=reason)
        campaign.updated_at = timezone.now()
        campaign.save(update_fields=[*state, "drafted_by", "updated_at"])
        if "budget_minor" in changes:
            count_budget(campaign)
        record_campaign(campaign, action, by=by, changes=changes, reason=reason)
        return campaign
