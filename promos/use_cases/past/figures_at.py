"""The use and the liability of a code or a campaign at an instant.

They are recounted from the entries of all customers who used it; a million uses take tens of seconds. So a job
stores snapshots of what was redeemed often. The figures of another instant are those of the nearest snapshot and the
difference that the accounts make which changed between the two instants. Both ways give the same figures.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from billing.queries import cursor_without_timeout
from promos.models import UseSnapshot


class Scope(NamedTuple):
    """A code or a campaign: the field of a snapshot that names it, `promo_code` or `campaign`, and its key."""

    field: str
    key: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The use of codes at an instant. `left_minor` is what customers could still spend of it: the liability.

    `redemptions` counts live ones, `customers` those who got the credit of one.
    """

    redemptions: int
    customers: int
    granted_minor: int
    taken_back_minor: int
    left_minor: int
    held_minor: int


# What is left of a grant is what is left of its lot. A reversal takes a grant back. The statement says what
# billing_lots_at (past.sql) says of one account, and a test holds them equal. It reads whole sets, without a sort: a
# campaign may have millions of grants.
#
# No entry is older than the one before it in its account, so those until the instant are those up to one version.
_FIGURES = """
WITH used AS MATERIALIZED (
  SELECT r.id, r.released_at IS NULL OR r.released_at > %(at)s AS live
    FROM {used} AND r.reserved_at <= %(at)s
), undone AS NOT MATERIALIZED (
  SELECT reverses_id AS entry, amount_minor FROM billing_ledgerentry
   WHERE reverses_id IS NOT NULL AND created_at <= %(at)s
), granted AS MATERIALIZED (
  -- Few accounts have lots: a scalar query looks each up, where a join would read the whole ledger once more.
  SELECT e.id, e.account_id, e.version, e.amount_minor, e.expires_at, undone.amount_minor AS undone_minor, used.live,
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
  FROM (SELECT count(*) AS redemptions FROM used WHERE live) AS used,
       (SELECT count(DISTINCT account_id) FILTER (WHERE live) AS customers,
               coalesce(sum(amount_minor), 0)::bigint AS granted_minor,
               coalesce(-sum(undone_minor), 0)::bigint AS taken_back_minor FROM granted) AS granted,
       (SELECT coalesce(sum(minor), 0)::bigint AS left_minor, coalesce(sum(pinned_minor), 0)::bigint AS held_minor
          FROM rest) AS rest
"""

# The redemptions of a scope, and those that `only` names.
_USED = {
    "promo_code": "promos_redemption r WHERE r.promo_code_id = %(key)s",
    "campaign": "promos_redemption r JOIN promos_promocode c ON c.id = r.promo_code_id WHERE c.campaign_id = %(key)s",
}
_ONLY = "promos_redemption r WHERE r.id = ANY(%(only)s)"

# The redemptions of all accounts whose share in the figures may differ between two instants. Entries, holds and
# redemptions change an account. So does a lot that expires, whether or not an entry says so, and whether or not it
# expires later now, because credit came back after it had expired.
_TOUCHED = """
WITH redemption AS MATERIALIZED (
  SELECT r.id FROM promos_redemption r
   WHERE r.reserved_at > %(first)s AND r.reserved_at <= %(last)s
      OR r.released_at > %(first)s AND r.released_at <= %(last)s
), account AS MATERIALIZED (
  SELECT account_id FROM billing_ledgerentry WHERE created_at > %(first)s AND created_at <= %(last)s
   UNION
  SELECT account_id FROM billing_hold
   WHERE created_at > %(first)s AND created_at <= %(last)s OR closed_at > %(first)s AND closed_at <= %(last)s
   UNION
  SELECT account_id FROM billing_lot WHERE expires_at > %(first)s AND expires_at <= %(last)s
   UNION
  SELECT back.account_id FROM billing_ledgerentry back
    JOIN billing_lotmove m ON m.entry_id = back.id AND m.amount_minor > 0
    JOIN billing_ledgerentry e ON e.id = m.lot_id AND e.expires_at <= %(last)s
   WHERE back.reverses_id IS NOT NULL AND back.created_at > %(last)s
   UNION
  SELECT e.account_id FROM redemption
    JOIN billing_ledgerentry e ON e.redemption_id = redemption.id AND e.kind = 'grant'
), concerned AS (
  SELECT id FROM redemption
   UNION
  SELECT e.redemption_id FROM account JOIN billing_ledgerentry e ON e.account_id = account.account_id
   WHERE e.kind = 'grant' AND e.redemption_id IS NOT NULL AND e.created_at <= %(last)s
)
SELECT coalesce(array_agg(r.id), '{{}}')
  FROM concerned CROSS JOIN {used} AND r.id = concerned.id
"""


def figures_at(scope: Scope, *, at: datetime) -> Figures:
    """Returns the figures at an instant: from the nearest snapshot, or recounted where there is none.

    Transaction: owns. Three statements and two look-ups with a snapshot.
    """
    near = nearest_snapshot(scope, at=at)
    if near is None:
        return recount(scope, at=at)
    with _cursor() as cursor:
        span: dict[str, datetime | UUID] = {"first": min(near.at, at), "last": max(near.at, at), "key": scope.key}
        # The accounts of some hours are few beside all: each is looked up.
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        )
        cursor.execute(_TOUCHED.format(used=_USED[scope.field]), span)
        [touched] = cursor.fetchone()
        cursor.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")
        then, before = (_recount(cursor, scope, at=each, only=touched) for each in (at, near.at))
    kept = {each.name: getattr(near, each.name) for each in fields(Figures)}
    changed, unchanged = asdict(then), asdict(before)
    return Figures(**{name: figure + changed[name] - unchanged[name] for name, figure in kept.items()})


def nearest_snapshot(scope: Scope, *, at: datetime) -> UseSnapshot | None:
    """Returns the snapshot next to an instant, before or after it. Two queries."""
    kept = UseSnapshot.objects.filter(**{scope.field: scope.key})
    around = [kept.filter(at__lte=at).order_by("-at").first(), kept.filter(at__gt=at).order_by("at").first()]
    return min((each for each in around if each), key=lambda each: abs(each.at - at), default=None)


def recount(scope: Scope, *, at: datetime) -> Figures:
    """Recounts the figures at an instant from all entries. Transaction: owns."""
    with _cursor() as cursor:
        return _recount(cursor, scope, at=at)


def _recount(cursor: CursorWrapper, scope: Scope, *, at: datetime, only: list[UUID] | None = None) -> Figures:
    """Recounts the figures of a scope, or of the redemptions of it that `only` names."""
    used = _USED[scope.field] if only is None else _ONLY
    cursor.execute(_FIGURES.format(used=used), {"key": scope.key, "at": at, "only": only})
    return Figures(**dict(zip((each.name for each in fields(Figures)), cursor.fetchone(), strict=True)))


@contextmanager
def _cursor() -> Iterator[CursorWrapper]:
    with cursor_without_timeout() as cursor:
        # Hashes of millions of rows need room. To compile the statement takes longer than it saves.
        cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
        yield cursor
