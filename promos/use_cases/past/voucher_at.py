"""The state and the liability of a code, a batch of cards or a campaign as of a past instant.

The figures are exact (figures_at.py). Where the nearest snapshot is far away, they would take longer than a page may,
and a page shows those of the last night instead, until a job has stored the snapshots of that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from billing.models import AuditEntry
from promos.errors import BatchNotFound, CampaignNotFound, LiveCodeNotFound
from promos.models import Batch, Campaign, CampaignFigures, CodeFigures, PromoCode
from promos.models.oversight.figures import CreditFigures
from promos.queries import normal_code
from promos.use_cases.past.figures_at import Figures, Scope, figures_at, nearest_snapshot

# With more redemptions than these, or so far from a snapshot, the figures of an instant take longer than a page may.
MAX_RECOUNTED = 1_000
MAX_APART = timedelta(days=1)
_CODE_FIELDS = ("active", "max_redemptions", "credit_minor", "starts_at", "expires_at", "retired_at")
_BATCH_FIELDS = ("status", "size")
_CAMPAIGN_FIELDS = ("status", "budget_minor", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherAt:
    """A code, batch or campaign at an instant. `state` is empty if it did not exist yet.

    `nightly` are the last night's figures of one that would take too long; `figures` is None then.
    """

    at: datetime
    kind: str
    name: str
    state: Mapping[str, Any]
    figures: Figures | None
    nightly: CreditFigures | None = None


def code_at(text: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a code as it was at an instant. Args: waits: however long it takes. Raises: LiveCodeNotFound."""
    found = PromoCode.objects.filter(code=normal_code(text), for_cards=False).first()
    if found is None:
        raise LiveCodeNotFound
    state = _state_at(found, _CODE_FIELDS, object_type="promo_code", object_id=found.code, at=at)
    scope = Scope("promo_code", found.pk)
    nightly = None if waits else _nightly(CodeFigures, scope, at)
    figures = None if nightly else figures_at(scope, at=at)
    return VoucherAt(at=at, kind="code", name=found.code, state=state, figures=figures, nightly=nightly)


def batch_at(name: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a batch of cards as it was at an instant. Args: as `code_at`. Raises: BatchNotFound."""
    found = Batch.objects.select_related("promo_code").filter(promo_code__code=normal_code(name)).first()
    if found is None:
        raise BatchNotFound
    state = _state_at(found, _BATCH_FIELDS, object_type="batch", object_id=found.promo_code.code, at=at)
    scope = Scope("promo_code", found.promo_code_id)
    nightly = None if waits else _nightly(CodeFigures, scope, at)
    figures = None if nightly else figures_at(scope, at=at)
    return VoucherAt(at=at, kind="batch", name=found.promo_code.code, state=state, figures=figures, nightly=nightly)


def campaign_at(name: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a campaign, found by its name in any case, as it was. Args: as `code_at`. Raises: CampaignNotFound."""
    found = Campaign.objects.filter(name__iexact=name).first()
    if found is None:
        raise CampaignNotFound
    state = _state_at(found, _CAMPAIGN_FIELDS, object_type="campaign", object_id=str(found.pk), at=at)
    scope = Scope("campaign", found.pk)
    nightly = None if waits else _nightly(CampaignFigures, scope, at)
    figures = None if nightly else figures_at(scope, at=at)
    return VoucherAt(at=at, kind="campaign", name=found.name, state=state, figures=figures, nightly=nightly)


def _state_at(
    found: Any, names: tuple[str, ...], *, object_type: str, object_id: str, at: datetime
) -> dict[str, Any]:
    """Returns today's state without the later changes, which the audit trail holds. One query."""
    if found.created_at > at:
        return {}
    state = {name: _plain(getattr(found, name)) for name in names}
    later = AuditEntry.objects.filter(object_type=object_type, object_id=object_id, created_at__gt=at)
    for changes in later.order_by("-created_at", "-pk").values_list("changes", flat=True):
        state |= {name: changes[name][0] for name in names if name in changes}
    return state


def _nightly(kind: type[CodeFigures] | type[CampaignFigures], scope: Scope, at: datetime) -> CreditFigures | None:
    """Returns the last night's figures of one that was redeemed often, far from a snapshot; None for any other."""
    found: CreditFigures | None = kind.objects.filter(pk=scope.key, redemptions__gt=MAX_RECOUNTED).first()
    if found is None:
        return None
    near = nearest_snapshot(scope, at=at)
    return found if near is None or abs(near.at - at) > MAX_APART else None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
