"""The state and the liability of a code, a batch of cards or a campaign as of a past instant.

The figures are added up from the entries of all customers who used it: a million uses take tens of seconds. A page
shows those of the last night instead.
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


# What is left of a grant is what is left of its lot. A reversal takes a grant back. The statement says what
# billing_lots_at (past.sql) says of one account, and a test holds them equal. It reads whole sets, without a sort: a
# campaign may have millions of grants.
#
# No entry is older than the one before it in its account, so those until the instant are those up to one version.
_FIGURES = """
WITH used AS MATERIALIZED (
  SELECT r.id, r.customer_id, r.released_at IS NULL OR r.released_at > %(at)s AS live
    FROM promos_promocode c
    JOIN promos_redemption r ON r.promo_code_id = c.id
   WHERE {condition} AND r.reserved_at <= %(at)s
), undone AS MATERIALIZED (
  SELECT reverses_id AS entry, amount_minor FROM billing_ledgerentry
   WHERE reverses_id IS NOT NULL AND created_at <= %(at)s
), granted AS MATERIALIZED (
  -- Few accounts have lots: a scalar query looks each up, where a join would read the whole ledger once more.
  SELECT e.id, e.account_id, e.version, e.amount_minor, e.expires_at, undone.amount_minor AS undone_minor,
         CASE WHEN a.lots_since IS NULL THEN false ELSE coalesce(
           (SELECT f.created_at <= %(at)s FROM billing_ledgerentry f
             WHERE f.account_id = a.customer_id AND f.version = a.lots_since), false) END AS has_lots
    FROM used
    JOIN billing_ledgerentry e ON e.redemption_id = used.id AND e.kind = 'grant' AND e.created_at <= %(at)s
    JOIN billing_account a ON a.customer_id = e.account_id
    LEFT JOIN undone ON undone.entry = e.id
), lot AS MATERIALIZED (
  SELECT l.entry_id, l.account_id, l.amount_minor, l.expires_at, g.expires_at AS granted_until
    FROM granted g JOIN billing_lot l ON l.entry_id = g.id WHERE g.has_lots
), moved AS (
  SELECT m.lot_id, sum(m.amount_minor) AS minor
    FROM lot JOIN billing_lotmove m ON m.lot_id = lot.entry_id
    JOIN billing_ledgerentry e ON e.id = m.entry_id AND e.created_at <= %(at)s
   GROUP BY m.lot_id
), pinned AS (
  SELECT m.lot_id, sum(m.amount_minor) AS minor
    FROM lot JOIN billing_lotmove m ON m.lot_id = lot.entry_id
    JOIN billing_hold h ON h.id = m.hold_id
   WHERE billing_hold_active_at(h, %(at)s)
   GROUP BY m.lot_id
), rest AS (
  -- An account without lots spends its oldest credit first: a grant has left what the balance is without the credit
  -- that came later.
  SELECT CASE WHEN g.undone_minor IS NULL THEN greatest(0, least(g.amount_minor, sum(e.amount_minor) FILTER (
           WHERE NOT (
             e.version > g.version AND e.amount_minor > 0 AND e.reverses_id IS NULL AND undone.entry IS NULL))))
         ELSE 0 END AS minor, 0 AS pinned_minor
    FROM granted g
    JOIN billing_ledgerentry e ON e.account_id = g.account_id AND e.created_at <= %(at)s
    LEFT JOIN undone ON undone.entry = e.id
   WHERE NOT g.has_lots
   GROUP BY g.id, g.amount_minor, g.undone_minor
  UNION ALL
  SELECT CASE WHEN CASE WHEN lot.expires_at IS DISTINCT FROM lot.granted_until
                   THEN (SELECT billing_lot_expiry_at(e, billing_version_at(lot.account_id, %(at)s))
                           FROM billing_ledgerentry e WHERE e.id = lot.entry_id)
                   ELSE lot.granted_until END <= %(at)s
         THEN coalesce(pinned.minor, 0) ELSE lot.amount_minor + coalesce(moved.minor, 0) END,
         coalesce(pinned.minor, 0)
    FROM lot LEFT JOIN moved ON moved.lot_id = lot.entry_id LEFT JOIN pinned ON pinned.lot_id = lot.entry_id
)
SELECT redemptions, customers, granted_minor, taken_back_minor, left_minor, held_minor
  FROM (SELECT count(*) AS redemptions, count(DISTINCT customer_id) AS customers FROM used WHERE live) AS used,
       (SELECT coalesce(sum(amount_minor), 0)::bigint AS granted_minor,
               coalesce(-sum(undone_minor), 0)::bigint AS taken_back_minor FROM granted) AS granted,
       (SELECT coalesce(sum(minor), 0)::bigint AS left_minor, coalesce(sum(pinned_minor), 0)::bigint AS held_minor
          FROM rest) AS rest
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
        # Hashes of millions of rows need room. To compile the statement takes longer than it saves.
        cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
        cursor.execute(statement, {"key": key, "at": at})
        return Figures(**dict(zip((each.name for each in fields(Figures)), cursor.fetchone(), strict=True)))
