"""A forecast of a campaign before it starts: past orders are replayed against its terms.

The forecast is stored with the campaign, beside the terms that it was made for. The person who approves sees it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.language import say
from billing.money import MAX_MINOR
from orders.use_cases.campaigns.replay_orders import MAX_DAYS, replay_orders
from promos.errors import CampaignNotFound, CampaignStateRefuses, InvalidCampaign
from promos.models import Campaign
from promos.models.campaign import BEFORE_START, forecast_terms
from promos.models.restrictions import allow_repeats
from promos.use_cases.campaigns.draft_campaign import find_for_change, record_campaign
from promos.use_cases.forecasts.forecast_offer import Offer
from promos.use_cases.issue_code import MAX_CAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question that a forecast answers: the credit of one use, the cap (0 is unlimited), and the days to replay.

    Without `days`, the length of the campaign's window is replayed, or 30 days.
    """

    credit_minor: int
    max_redemptions: int = 0
    days: int | None = None


def forecast_campaign(*, campaign_id: UUID, question: Question, by: Actor, now: datetime | None = None) -> Campaign:
    """Replays past orders against the terms of a campaign that has not started, and stores the figures with it.

    Raises: CampaignNotFound, CampaignStateRefuses, InvalidCampaign, ForecastTooSlow.
    Locks: the campaign's advisory lock, exclusively, after the replay. Transaction: owns two.
    """
    moment = now or timezone.now()
    _check(question)
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound
    _check_state(campaign)
    terms = forecast_terms(campaign)
    offer = Offer(
        credit_minor=question.credit_minor,
        max_redemptions=question.max_redemptions,
        budget_minor=campaign.budget_minor if campaign.budgeted else None,
        starts_at=campaign.starts_at,
        ends_at=campaign.ends_at,
        restrictions=(campaign.restrictions,),
        once_per_customer=not allow_repeats(campaign.restrictions),
        days=question.days,
    )
    figures = replay_orders(offer, now=moment)
    with transaction.atomic():
        # Races with somebody who changes the draft: a forecast is only stored with the terms that it is for.
        current = find_for_change(campaign_id)
        _check_state(current)
        if forecast_terms(current) != terms:
            raise CampaignStateRefuses("its terms were changed while past orders were replayed: try again")
        current.forecast = {
            "made_at": moment.isoformat(),
            "made_by": by.user_id,
            "terms": terms,
            **figures,
        }
        current.updated_at = timezone.now()
        current.save(update_fields=["forecast", "updated_at"])
        changes = {name: [None, figures[name]] for name in ("expected_minor", "worst_minor")}
        record_campaign(current, "campaign.forecast", by=by, changes=changes, reason="")
        return current


def _check(question: Question) -> None:
    """Raises: InvalidCampaign, which names each bad field."""
    problems: dict[str, list[str]] = {}
    if not 0 < question.credit_minor <= MAX_MINOR:
        problems["credit"] = ["the credit must be positive"]
    if not 0 <= question.max_redemptions <= MAX_CAP:
        problems["max_redemptions"] = ["0 (unlimited) or a positive number"]
    if question.days is not None and not 0 < question.days <= MAX_DAYS:
        problems["days"] = [say("1 to %(number)s", number=MAX_DAYS)]
    if problems:
        raise InvalidCampaign(fields=problems)


def _check_state(campaign: Campaign) -> None:
    if campaign.is_default or campaign.status not in BEFORE_START:
        raise CampaignStateRefuses("only a campaign that has not started is forecast")
