"""Measures the use of vouchers and cards: their redemptions by state and by day, and refusals by rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from billing.local_time import local_zone
from promos.models import PromoCode, Redemption, RefusedAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The redemptions of some codes; credit in the smallest unit."""

    begun: int
    reserved: int
    confirmed: int
    released: int
    granted_minor: int
    reserved_minor: int
    last_used_at: datetime | None
    by_day: Mapping[date, Mapping[str, Any]]


def measure_use(codes: QuerySet[PromoCode]) -> Use:
    """Measures all redemptions of these codes. One query."""
    day = TruncDate("reserved_at", tzinfo=local_zone())
    rows = (
        Redemption.objects.filter(promo_code__in=codes)
        .annotate(day=day)
        .order_by()
        .values("day")
        .annotate(
            begun=Count("pk"),
            reserved=Count("pk", filter=Q(status=Redemption.Status.RESERVED)),
            confirmed=Count("pk", filter=Q(status=Redemption.Status.CONFIRMED)),
            granted_minor=Sum("credit_minor", filter=Q(status=Redemption.Status.CONFIRMED), default=0),
            reserved_minor=Sum("credit_minor", filter=Q(status=Redemption.Status.RESERVED), default=0),
            last_used_at=Max("reserved_at"),
        )
    )
    by_day: dict[date, Mapping[str, Any]] = {row["day"]: row for row in rows}

    def total(name: str) -> int:
        return sum(int(row[name]) for row in by_day.values())

    return Use(
        begun=total("begun"),
        reserved=total("reserved"),
        confirmed=total("confirmed"),
        released=total("begun") - total("reserved") - total("confirmed"),
        granted_minor=total("granted_minor"),
        reserved_minor=total("reserved_minor"),
        last_used_at=max((row["last_used_at"] for row in by_day.values()), default=None),
        by_day=by_day,
    )


def count_refusals(attempts: QuerySet[RefusedAttempt]) -> list[tuple[str, int]]:
    """Counts refused attempts by rule, the most frequent first. One query."""
    counted = attempts.order_by().values("rule").annotate(number=Count("pk")).order_by("-number", "rule")
    return list(counted.values_list("rule", "number"))
