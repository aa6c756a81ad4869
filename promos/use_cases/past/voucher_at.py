"""The state and the liability of a code, a batch of cards or a campaign as of a past instant.

The figures are added up from the entries of each customer who used it, so a million uses take minutes. A page shows
those of the last night instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.models import AuditEntry
from billing.queries import cursor_without_timeout
from promos.errors import BatchNotFound, CampaignNotFound, LiveCodeNotFound
from promos.models import Batch, Campaign, CampaignFigures, CodeFigures, PromoCode
from promos.models.oversight.figures import CreditFigures
from promos.queries import normal_code

# With more redemptions than these the figures of an instant take longer than a page may.
MAX_ADDED_UP = 1_000
_CODE_FIELDS = ("active", "max_redemptions", "credit_minor", "starts_at", "expires_at", "retired_at")
_BATCH_FIELDS = ("status", "size")
_CAMPAIGN_FIELDS = ("status", "budget_minor", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The use of codes at an instant. `left_minor` is what customers could still spend of it: the liability."""

    redemptions: int
    customers: int
    granted_minor: int
    taken_back_minor: int
    left_minor: int
    held_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherAt:
    """A code, batch or campaign at an instant. `state` is empty if it did not exist yet.

    `nightly` are the last night's figures of one with too many redemptions to wait for; `figures` is None then.
    """

    at: datetime
    kind: str
    name: str
    state: Mapping[str, Any]
    figures: Figures | None
    nightly: CreditFigures | None = None


# What is left of a grant is what is left of its lot. A reversal takes a grant back.
_FIGURES = """
WITH granted AS MATERIALIZED (
  SELECT r.id AS redemption, r.customer_id, r.released_at IS NULL OR r.released_at > %(at)s AS live, e.id AS entry,
         e.account_id, e.amount_minor
    FROM promos_promocode c
    JOIN promos_redemption r ON r.promo_code_id = c.id
    LEFT JOIN billing_ledgerentry e ON e.redemption_id = r.id AND e.kind = 'grant' AND e.created_at <= %(at)s
   WHERE {condition} AND r.reserved_at <= %(at)s
), rest AS (
  SELECT coalesce(sum(CASE WHEN l.expiry <= %(at)s THEN l.pinned_minor ELSE l.rest_minor END), 0) AS minor,
         coalesce(sum(l.pinned_minor), 0) AS pinned
    FROM (SELECT DISTINCT account_id FROM granted WHERE entry IS NOT NULL) AS account
   CROSS JOIN LATERAL billing_lots_at(account.account_id, billing_version_at(account.account_id, %(at)s), %(at)s) AS l
    JOIN granted g ON g.entry = l.entry
)
SELECT count(*) FILTER (WHERE live), count(DISTINCT customer_id) FILTER (WHERE live),
       coalesce(sum(amount_minor), 0)::bigint,
       coalesce((SELECT -sum(b.amount_minor) FROM granted g JOIN billing_ledgerentry b ON b.reverses_id = g.entry
                  WHERE b.created_at <= %(at)s), 0)::bigint,
       (SELECT minor FROM rest)::bigint, (SELECT pinned FROM rest)::bigint
  FROM granted
"""
_OF_CODE, _OF_CAMPAIGN = (_FIGURES.format(condition=f"c.{column} = %(key)s") for column in ("id", "campaign_id"))


def code_at(text: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a code as it was at an instant. Args: waits: whether many are added up. Raises: LiveCodeNotFound."""
    found = PromoCode.objects.filter(code=normal_code(text), for_cards=False).first()
    if found is None:
        raise LiveCodeNotFound
    state = _state_at(found, _CODE_FIELDS, object_type="promo_code", object_id=found.code, at=at)
    nightly = None if waits else _nightly(CodeFigures, found.pk)
    figures = None if nightly else _figures(_OF_CODE, found.pk, at)
    return VoucherAt(at=at, kind="code", name=found.code, state=state, figures=figures, nightly=nightly)


def batch_at(name: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a batch of cards as it was at an instant. Args: as `code_at`. Raises: BatchNotFound."""
    found = Batch.objects.select_related("promo_code").filter(promo_code__code=normal_code(name)).first()
    if found is None:
        raise BatchNotFound
    state = _state_at(found, _BATCH_FIELDS, object_type="batch", object_id=found.promo_code.code, at=at)
    nightly = None if waits else _nightly(CodeFigures, found.promo_code_id)
    figures = None if nightly else _figures(_OF_CODE, found.promo_code_id, at)
    return VoucherAt(at=at, kind="batch", name=found.promo_code.code, state=state, figures=figures, nightly=nightly)


def campaign_at(name: str, *, at: datetime, waits: bool = True) -> VoucherAt:
    """Returns a campaign, found by its name in any case, as it was. Args: as `code_at`. Raises: CampaignNotFound."""
    found = Campaign.objects.filter(name__iexact=name).first()
    if found is None:
        raise CampaignNotFound
    state = _state_at(found, _CAMPAIGN_FIELDS, object_type="campaign", object_id=str(found.pk), at=at)
    nightly = None if waits else _nightly(CampaignFigures, found.pk)
    figures = None if nightly else _figures(_OF_CAMPAIGN, found.pk, at)
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


def _nightly(kind: type[CodeFigures] | type[CampaignFigures], key: UUID) -> CreditFigures | None:
    """Returns the last night's figures of one that was redeemed often; None for any other. One query."""
    found: CreditFigures | None = kind.objects.filter(pk=key, redemptions__gt=MAX_ADDED_UP).first()
    return found


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _figures(statement: str, key: UUID, at: datetime) -> Figures:
    with cursor_without_timeout() as cursor:
        cursor.execute(statement, {"key": key, "at": at})
        return Figures(**dict(zip((each.name for each in fields(Figures)), cursor.fetchone(), strict=True)))
