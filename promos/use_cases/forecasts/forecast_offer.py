"""Forecasts what a voucher or a batch would cost, and writes the figures for the person who approves it.

Past orders are replayed by the app that has them (`replay_orders` of its AppConfig).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Sum
from django.utils import timezone
from django.utils.module_loading import import_string

from billing.errors import DomainError
from billing.money import MAX_MINOR
from billing.use_cases.proposals.kinds import Difference
from promos.errors import CampaignNotFound, InvalidPromo
from promos.models import BudgetCounter, Campaign
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.models.restrictions import Restrictions, allow_repeats
from promos.use_cases.approvals.written_terms import write_term


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The terms that past orders are replayed against.

    `credit_minor` is what one use grants, `max_redemptions` the cap; `budget_minor` is what may be spent, None for
    any amount. An order keeps to all `restrictions`, of which the offer's own come first. Without `days`, the length
    of the window is replayed.
    """

    credit_minor: int
    max_redemptions: int = 0
    budget_minor: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    restrictions: tuple[Restrictions | None, ...] = ()
    once_per_customer: bool = True
    days: int | None = None


def offer_in_campaign(
    *,
    credit_minor: int,
    max_redemptions: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    restrictions: Restrictions | None,
    for_cards: bool = False,
    campaign_id: UUID | None = None,
    days: int | None = None,
) -> Offer:
    """Returns the offer of a voucher or a batch: its own terms, within the window, budget and rules of its campaign.

    Raises: CampaignNotFound. Two queries in a campaign, else none.
    """
    campaign = _find_campaign(campaign_id)
    starts = [each for each in (starts_at, campaign and campaign.starts_at) if each]
    ends = [each for each in (ends_at, campaign and campaign.ends_at) if each]
    return Offer(
        credit_minor=credit_minor,
        max_redemptions=max_redemptions,
        budget_minor=_budget_left(campaign) if campaign and campaign.budgeted else None,
        starts_at=max(starts, default=None),
        ends_at=min(ends, default=None),
        restrictions=(restrictions, campaign.restrictions if campaign else None),
        # A customer can redeem any number of cards.
        once_per_customer=not for_cards and not allow_repeats(restrictions),
        days=days,
    )


def forecast_offer(offer: Offer, *, now: datetime | None = None) -> dict[str, Any]:
    """Returns the figures of past orders replayed against an offer, as a campaign's forecast keeps them.

    Raises: InvalidPromo, ForecastTooSlow. Transaction: joins, a savepoint; it writes nothing.
    """
    if not 0 < offer.credit_minor <= MAX_MINOR:
        raise InvalidPromo(fields={"credit": ["the credit must be positive"]})
    figures: dict[str, Any] = _replay()(offer, now=now or timezone.now())
    return figures


def forecast_lines_of(offer: Offer) -> list[Difference]:
    """Returns the figures for a proposal to launch the offer; nothing where there are no past orders."""
    try:
        figures = forecast_offer(offer)
    except DomainError as error:
        return [Difference("Expected cost", "", f"not known: {error.text}")]
    return forecast_lines(figures) if figures["orders"] else []


def forecast_lines(figures: Mapping[str, Any]) -> list[Difference]:
    """Returns the figures of a forecast as the lines of a proposal."""
    return [
        Difference("Expected cost", "", write_term("credit_minor", figures["expected_minor"])),
        Difference("Worst cost", "", write_term("credit_minor", figures["worst_minor"])),
        Difference("Past orders that qualify", "", f"{figures['qualified_orders']:,} of {figures['orders']:,}"),
    ]


def _find_campaign(campaign_id: UUID | None) -> Campaign | None:
    if campaign_id in (None, DEFAULT_CAMPAIGN):
        return None
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound
    return campaign


def _budget_left(campaign: Campaign) -> int:
    used = BudgetCounter.objects.filter(campaign=campaign).aggregate(used=Sum("used"))["used"] or 0
    return max(campaign.budget_minor - used, 0)


@cache
def _replay() -> Callable[..., dict[str, Any]]:
    [path] = [path for app in apps.get_app_configs() if (path := getattr(app, "replay_orders", ""))]
    replay: Callable[..., dict[str, Any]] = import_string(path)
    return replay
