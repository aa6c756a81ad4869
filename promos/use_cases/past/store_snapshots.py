"""Stores what figures_at.py begins from: a snapshot every two hours of what is used often."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db.models import Min
from django.utils import timezone

from promos.models import CampaignFigures, CodeFigures, Redemption, UseSnapshot
from promos.use_cases.past.figures_at import Figures, Scope, figures_at, recount
from promos.use_cases.past.voucher_at import MAX_RECOUNTED

STEP = timedelta(hours=2)
# What happened before an instant is committed so much later at most.
_LATEST_COMMIT = timedelta(minutes=5)
# After the newest instant of all, a run fills earlier ones for so long.
_FILLING_SECONDS = 1_200


def store_snapshots(*, recounts: bool = False, now: datetime | None = None) -> int:
    """Stores the missing snapshots of all instants since the first redemption. Returns how many.

    Args: recounts: whether the newest instant is recounted from all entries, which ends a mistake of an earlier run.
    Every other snapshot follows from the one that is nearest.
    Transaction: owns, one for each. Idempotency: a second run stores nothing.
    """
    seconds = int(((now or timezone.now()) - _LATEST_COMMIT).timestamp())
    newest = datetime.fromtimestamp(seconds - seconds % int(STEP.total_seconds()), UTC)
    scopes, stored = list(_often_used()), 0
    for scope in scopes:
        if not UseSnapshot.objects.filter(**{scope.field: scope.key}, at=newest).exists():
            _store(scope, newest, recount(scope, at=newest) if recounts else figures_at(scope, at=newest))
            stored += 1
    until = monotonic() + _FILLING_SECONDS
    for scope in scopes:
        for at in _missing(scope, newest - STEP):
            if monotonic() > until:
                return stored
            _store(scope, at, figures_at(scope, at=at))
            stored += 1
    return stored


def _often_used() -> Iterator[Scope]:
    for kind, field in ((CampaignFigures, "campaign"), (CodeFigures, "promo_code")):
        for key in kind.objects.filter(redemptions__gt=MAX_RECOUNTED).order_by("pk").values_list("pk", flat=True):
            yield Scope(field, key)


def _missing(scope: Scope, last: datetime) -> Iterator[datetime]:
    """Yields the instants without a snapshot, the newest first. Two queries."""
    of_scope = {"promo_code": "promo_code", "campaign": "promo_code__campaign"}[scope.field]
    began = Redemption.objects.filter(**{of_scope: scope.key}).aggregate(first=Min("reserved_at"))["first"]
    kept = set(UseSnapshot.objects.filter(**{scope.field: scope.key}).values_list("at", flat=True))
    at = last
    while began is not None and at > began:
        if at not in kept:
            yield at
        at -= STEP


def _store(scope: Scope, at: datetime, figures: Figures) -> None:
    UseSnapshot.objects.create(**{f"{scope.field}_id": scope.key}, at=at, **asdict(figures))
