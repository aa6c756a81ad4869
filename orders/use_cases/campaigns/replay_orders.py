"""Replays past orders against the terms of an offer: how many would have qualified, and what that would have cost."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from orders.errors import ForecastTooSlow
from orders.models import Order
from promos.models.restrictions import PERIOD_LIMITS, USE_LIMITS
from promos.use_cases.forecasts.forecast_offer import Offer

# An offer without an end is replayed over so many days; none over more than a year.
DEFAULT_DAYS = 30
MAX_DAYS = 366
# More orders are replayed as a sample of customers, so that the time is bounded.
MAX_REPLAYED = 100_000
MAX_SECONDS = 15
_REPLAY = (Path(__file__).parent / "replay_orders.sql").read_text(encoding="utf-8")


def replay_orders(offer: Offer, *, now: datetime) -> dict[str, Any]:
    """Returns the figures, as they are stored.

    The worst case is that each order that keeps to the restrictions uses the offer, as often as a customer may, up to
    cap and budget. The expected case is the share of these orders that used a code.

    Raises: ForecastTooSlow. Transaction: joins, a savepoint; it writes nothing.
    """
    length = timedelta(days=offer.days) if offer.days else _length_of_window(offer)
    capacity = _capacity(offer)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            [limit_before] = cursor.fetchone()
            cursor.execute(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'")
            placed = Order.objects.filter(created_at__gte=now - length, created_at__lt=now).count()
            one_in = -(-placed // MAX_REPLAYED) or 1
            cursor.execute(
                _REPLAY,
                {
                    **_rules(offer),
                    "since": now - length,
                    "until": now,
                    "one_in": one_in,
                    "capacity": capacity,
                },
            )
            orders, kept, used_code, customers, used, full_at, refused = cursor.fetchone()
            # A setting of a savepoint stays until its transaction ends.
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [limit_before])
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise ForecastTooSlow from error
        raise
    worst = used * one_in
    expected = worst * used_code // kept if kept else 0
    if capacity is not None:
        worst, expected = min(worst, capacity), min(expected, capacity)
    credit_minor = offer.credit_minor
    return {
        "credit_minor": credit_minor,
        "max_redemptions": offer.max_redemptions,
        "days": offer.days,
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


def _rules(offer: Offer) -> dict[str, Any]:
    """Returns the restrictions as the statement takes them. Of several limits on the same uses, the lowest counts."""
    rules: list[dict[str, Any]] = [dict(each) for each in offer.restrictions if each] or [{}]
    lowest = {name: min((each[name] for each in rules if name in each), default=None) for name in USE_LIMITS}
    if offer.once_per_customer:
        lowest["uses_per_customer"] = 1
    zones = [each["time_zone"] for each in rules if "time_zone" in each]
    return {
        "rules": json.dumps(rules),
        "zone": zones[0] if zones else settings.SOVEREIGN_TIME_ZONE,
        "customer": lowest["uses_per_customer"],
        **{name.removeprefix("uses_per_"): lowest[name] for name in PERIOD_LIMITS},
    }


def _length_of_window(offer: Offer) -> timedelta:
    if offer.starts_at and offer.ends_at and offer.starts_at < offer.ends_at:
        return min(offer.ends_at - offer.starts_at, timedelta(days=MAX_DAYS))
    return timedelta(days=DEFAULT_DAYS)


def _capacity(offer: Offer) -> int | None:
    """Returns how many redemptions the cap and the budget allow; None for any number."""
    limits = [offer.max_redemptions] if offer.max_redemptions else []
    if offer.budget_minor is not None:
        limits.append(offer.budget_minor // offer.credit_minor)
    return min(limits, default=None)
