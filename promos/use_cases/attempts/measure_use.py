"""Measures the use of vouchers and cards: their redemptions by state, by day and by dealer, and refusals by rule.

The nightly figures keep the counts of the past, so that the page of a million redemptions counts only the newest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from billing.local_time import local_zone
from billing.models.keys import key_at
from promos.models import CodePreviews, DealerBatchFigures, PromoCode, Redemption, RefusedAttempt
from promos.models.oversight.figures import CreditFigures

# A key and the time of its row may be from the clocks of two machines.
_MARGIN = timedelta(hours=1)
_NUMBERS = ("begun", "reserved", "confirmed", "granted_minor", "reserved_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The redemptions of some codes; credit in the smallest unit.

    The states of those begun before `counted_until` are as of the last night. `previewed` counts the previews that
    found the code redeemable, of customers and of visitors.
    """

    previewed: int
    begun: int
    reserved: int
    confirmed: int
    released: int
    granted_minor: int
    reserved_minor: int
    last_used_at: datetime | None
    counted_until: datetime | None
    by_day: Mapping[date, Mapping[str, int]]


def measure_use(codes: QuerySet[PromoCode], figures: CreditFigures | None = None) -> Use:
    """Measures all previews and redemptions of these codes. Two queries.

    Args: figures: those of the same codes, whose counts are taken for what began before the last night.
    """
    kept = figures.use if figures else None
    until = datetime.fromisoformat(kept["until"]) if kept else None
    redemptions = Redemption.objects.filter(promo_code__in=codes)
    if until:
        # No index has the time of all redemptions; their keys grow with it.
        redemptions = redemptions.filter(reserved_at__gte=until, pk__gte=key_at(until - _MARGIN))
    by_day: dict[date, Counter[str]] = {}
    total, last_used_at = Counter[str](), figures.last_used_at if figures and kept else None
    for day, numbers in (kept["days"] if kept else {}).items():
        total.update(numbers)
        if day:
            by_day[date.fromisoformat(day)] = Counter(numbers)
    for row in _count_by_day(redemptions):
        numbers = {name: int(row[name]) for name in _NUMBERS}
        total.update(numbers)
        by_day.setdefault(row["day"], Counter()).update(numbers)
        last_used_at = max(filter(None, (last_used_at, row["last_used_at"])))
    previews = CodePreviews.objects.filter(promo_code__in=codes).aggregate(total=Sum("number", default=0))
    return Use(
        previewed=int(previews["total"]),
        begun=total["begun"],
        reserved=total["reserved"],
        confirmed=total["confirmed"],
        released=total["begun"] - total["reserved"] - total["confirmed"],
        granted_minor=total["granted_minor"],
        reserved_minor=total["reserved_minor"],
        last_used_at=last_used_at,
        counted_until=until,
        by_day=by_day,
    )


def _count_by_day(redemptions: QuerySet[Redemption]) -> Iterable[Mapping[str, Any]]:
    return (
        redemptions.annotate(day=TruncDate("reserved_at", tzinfo=local_zone()))
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


def count_refusals(attempts: QuerySet[RefusedAttempt], figures: CreditFigures | None = None) -> list[tuple[str, int]]:
    """Counts refused attempts by rule, the most frequent first. One query.

    Args: figures: those of the codes of the attempts, as in `measure_use`.
    """
    kept = figures.use if figures else None
    counted = Counter[str](kept["refused"] if kept else {})
    if kept:
        attempts = attempts.filter(created_at__gte=datetime.fromisoformat(kept["until"]))
    # An index that has the rule is enough, if nothing but rows is counted.
    counted.update(dict(attempts.order_by().values("rule").annotate(number=Count("*")).values_list("rule", "number")))
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOfDealer:
    """The cards of some batches that a dealer holds, as of the last night; credit in the smallest unit."""

    key: int
    public_id: UUID
    name: str
    allocated: int
    activated: int
    redeemed: int
    credit_minor: int


def measure_dealers(codes: QuerySet[PromoCode]) -> list[UseOfDealer]:
    """Measures the cards of these codes by dealer, the one with the most redeemed cards first. One query."""
    rows = DealerBatchFigures.objects.filter(promo_code__in=codes).order_by()
    grouped = rows.values("dealer", "dealer__public_id", "dealer__name").annotate(
        of_allocated=Sum("allocated"),
        of_activated=Sum("activated"),
        of_redeemed=Sum("redeemed"),
        of_credit=Sum("credit_minor"),
    )
    return [
        UseOfDealer(
            key=row["dealer"],
            public_id=row["dealer__public_id"],
            name=row["dealer__name"],
            allocated=int(row["of_allocated"]),
            activated=int(row["of_activated"]),
            redeemed=int(row["of_redeemed"]),
            credit_minor=int(row["of_credit"]),
        )
        for row in grouped.order_by("-of_redeemed", "-of_allocated", "dealer")
    ]
