"""A forecast of a campaign before it starts: past orders are replayed against its terms.

The forecast is stored with the campaign, beside the terms that it was made for. The person who approves sees it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import QueryCanceled

from billing.actor import Actor
from billing.money import MAX_MINOR
from orders.errors import ForecastTooSlow
from orders.models import Order
from promos.errors import CampaignNotFound, CampaignStateRefuses, InvalidCampaign
from promos.models import Campaign
from promos.models.campaign import BEFORE_START, forecast_terms
from promos.models.restrictions import allow_repeats
from promos.use_cases.campaigns.draft_campaign import find_for_change, record_campaign
from promos.use_cases.issue_code import MAX_CAP

# A campaign without an end is replayed over so many days; no campaign over more than a year.
DEFAULT_DAYS = 30
MAX_DAYS = 366
# More orders are replayed as a sample of customers, so that the time is bounded.
MAX_REPLAYED = 100_000
MAX_SECONDS = 15
_REPLAY = (Path(__file__).parent / "replay_orders.sql").read_text(encoding="utf-8")


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

    The worst case is that each order that keeps to the restrictions uses the campaign, once a customer unless the
    restrictions allow more, up to cap and budget. The expected case is the share of these orders that used a code.

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
    figures = _replay(campaign, question, now=moment)
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
            **asdict(question),
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
        problems["days"] = [f"1 to {MAX_DAYS}"]
    if problems:
        raise InvalidCampaign(fields=problems)


def _check_state(campaign: Campaign) -> None:
    if campaign.is_default or campaign.status not in BEFORE_START:
        raise CampaignStateRefuses("only a campaign that has not started is forecast")


def _replay(campaign: Campaign, question: Question, *, now: datetime) -> dict[str, Any]:
    """Returns the figures, as they are stored. Raises: ForecastTooSlow. Transaction: owns one, writes nothing."""
    length = timedelta(days=question.days) if question.days else _length_of_window(campaign)
    credit_minor, rules = question.credit_minor, campaign.restrictions or {}
    capacity = _capacity(campaign, question)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'")
            placed = Order.objects.filter(created_at__gte=now - length, created_at__lt=now).count()
            one_in = -(-placed // MAX_REPLAYED) or 1
            parameters: dict[str, Any] = {
                "rules": json.dumps(rules),
                "since": now - length,
                "until": now,
                "one_in": one_in,
                "zone": rules.get("time_zone", settings.SOVEREIGN_TIME_ZONE),
                "day": rules.get("uses_per_day"),
                "week": rules.get("uses_per_week"),
                "month": rules.get("uses_per_month"),
                "customer": rules.get("uses_per_customer", None if allow_repeats(rules) else 1),
                "capacity": capacity,
            }
            cursor.execute(_REPLAY, parameters)
            orders, kept, used_code, customers, used, full_at, refused = cursor.fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise ForecastTooSlow from error
        raise
    worst = used * one_in
    expected = worst * used_code // kept if kept else 0
    if capacity is not None:
        worst, expected = min(worst, capacity), min(expected, capacity)
    return {
        "since": (now - length).isoformat(),
        "until": now.isoformat(),
        "sampled_one_in": one_in,
        "orders": orders * one_in,
        "qualified_orders": kept * one_in,
        "qualified_customers": customers * one_in,
        "refused": {rule: number * one_in for rule, number in json.loads(refused).items()},
        "expected_redemptions": expected,
        "expected_minor": expected * credit_minor,
        "worst_redemptions": worst,
        "worst_minor": worst * credit_minor,
        "ceiling_minor": None if capacity is None else capacity * credit_minor,
        "full_after_days": None if full_at is None else (full_at - (now - length)).days,
    }


def _length_of_window(campaign: Campaign) -> timedelta:
    if campaign.starts_at and campaign.ends_at:
        return min(campaign.ends_at - campaign.starts_at, timedelta(days=MAX_DAYS))
    return timedelta(days=DEFAULT_DAYS)


def _capacity(campaign: Campaign, question: Question) -> int | None:
    """Returns how many redemptions the cap and the budget allow; None for any number."""
    limits = [question.max_redemptions] if question.max_redemptions else []
    if campaign.budgeted:
        limits.append(campaign.budget_minor // question.credit_minor)
    return min(limits, default=None)
