"""Stores what figures_at.py begins from: four snapshots a day of each code and campaign that is used often."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db.models import Min
from django.utils import timezone

from promos.models import CampaignFigures, CodeFigures, Redemption, UseSnapshot
from promos.use_cases.past.figures_at import Figures, Scope, figures_at, recount
from promos.use_cases.past.voucher_at import MAX_RECOUNTED

STEP = timedelta(hours=6)
# What happened before an instant is committed so much later at most.
_LATEST_COMMIT = timedelta(minutes=5)
# A run fills instants that have no snapshot for so long, the newest first.
_FILLING_SECONDS = 1_200


def store_snapshots(*, recounts: bool = False, now: datetime | None = None) -> int:
    """Stores the missing snapshots of all instants since the first redemption. Returns how many.

    Args: recounts: whether the newest instant is recounted from all entries, which ends a mistake of an earlier run.
    Every other snapshot follows from the one that is nearest.
    Transaction: owns, one for each. Idempotency: a second run stores nothing.
    """
    seconds = int(((now or timezone.now()) - _LATEST_COMMIT).timestamp())
    newest = datetime.fromtimestamp(seconds - seconds % int(STEP.total_seconds()), UTC)
    until, stored = monotonic() + _FILLING_SECONDS, 0
    for scope in _often_used():
        for at in _missing(scope, newest):
            if monotonic() > until:
                break
            _store(scope, at, recount(scope, at=at) if recounts and at == newest else figures_at(scope, at=at))
            stored += 1
    return stored


def _often_used() -> Iterator[Scope]:
    for kind, field in ((CampaignFigures, "campaign"), (CodeFigures, "promo_code")):
        for key in kind.objects.filter(redemptions__gt=MAX_RECOUNTED).order_by("pk").values_list("pk", flat=True):
            yield Scope(field, key)


def _missing(scope: Scope, newest: datetime) -> Iterator[datetime]:
    """Yields the instants without a snapshot, the newest first. Two queries."""
    of_scope = {"promo_code": "promo_code", "campaign": "promo_code__campaign"}[scope.field]
    began = Redemption.objects.filter(**{of_scope: scope.key}).aggregate(first=Min("reserved_at"))["first"]
    kept = set(UseSnapshot.objects.filter(**{scope.field: scope.key}).values_list("at", flat=True))
    at = newest
    while began is not None and at > began:
        if at not in kept:
            yield at
        at -= STEP


def _store(scope: Scope, at: datetime, figures: Figures) -> None:
    UseSnapshot.objects.create(**{f"{scope.field}_id": scope.key}, at=at, **asdict(figures))
