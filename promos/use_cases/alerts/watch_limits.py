"""Raises an alert when 80% and when 100% of a campaign's budget or a code's cap is used.

Each threshold alerts once for each amount of a budget or cap. It alerts again after staff have changed the amount.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from promos.models import Alert, Campaign, Redemption
from promos.queries import campaigns_with_use, codes_with_use
from promos.use_cases.alerts.raise_alerts import mail_alert

# A run each minute looks at the codes with a redemption in the last two minutes, so it misses none if it is late. A
# nightly run looks at every code.
WINDOW = timedelta(minutes=2)
_PERCENT_OF_WARNING = 80
_ALL = 100


class _Use(NamedTuple):
    """The use of a budget or a cap, and the kinds of its alerts."""

    subject: str
    used: int
    allowed: int
    nearly: Alert.Kind
    fully: Alert.Kind


def watch_limits(*, now: datetime | None = None, everything: bool = False) -> list[Alert]:
    """Opens an alert for each budget and cap past a threshold. Returns those that are new or open again.

    Args: everything: looks at all codes, not only at those with redemptions in the last minutes.
    Transaction: owns one for each alert. Idempotency: a second run raises nothing.
    """
    moment = now or timezone.now()
    raised = (_raise(use, now=moment) for use in (*_budgets(), *_caps(moment, everything=everything)))
    return [alert for alert in raised if alert is not None]


def _budgets() -> Iterator[_Use]:
    live: QuerySet[Any] = campaigns_with_use().filter(
        status__in=[Campaign.Status.ACTIVE, Campaign.Status.PAUSED], budget_minor__gt=0
    )
    for campaign in live.order_by("pk"):
        yield _Use(
            campaign.name,
            campaign.used_minor,
            campaign.budget_minor,
            Alert.Kind.BUDGET_80,
            Alert.Kind.BUDGET_100,
        )


def _caps(now: datetime, *, everything: bool) -> Iterator[_Use]:
    codes: QuerySet[Any] = codes_with_use().filter(max_redemptions__gt=0, retired_at__isnull=True)
    if not everything:
        # A key of UUID version 7 begins with its time, so the primary key's index finds the newest rows.
        first_key = UUID(int=int((now - WINDOW).timestamp() * 1000) << 80)
        newest = Redemption.objects.filter(pk__gte=first_key, card_serial__isnull=True)
        codes = codes.filter(pk__in=list(newest.order_by().values_list("promo_code", flat=True).distinct()))
    values = codes.order_by("pk").values_list("code", "times_redeemed", "max_redemptions")
    for code, used, cap in values.iterator():
        yield _Use(code, used, cap, Alert.Kind.CAP_80, Alert.Kind.CAP_100)


def _raise(use: _Use, *, now: datetime) -> Alert | None:
    percent = _ALL * use.used // use.allowed
    if percent < _PERCENT_OF_WARNING:
        return None
    kind = use.fully if percent >= _ALL else use.nearly
    with transaction.atomic():
        earlier = Alert.objects.filter(kind=kind, subject=use.subject)
        if earlier.filter(allowed=use.allowed).exists():
            earlier.filter(allowed=use.allowed, closed_at=None).update(number=use.used, last_seen_at=now)
            return None
        values = {"number": use.used, "allowed": use.allowed, "opened_at": now, "last_seen_at": now}
        # Races with a second run: one alert of the kind is open.
        alert, _ = Alert.objects.update_or_create(kind=kind, subject=use.subject, closed_at=None, defaults=values)
        mail_alert(alert)
        return alert
