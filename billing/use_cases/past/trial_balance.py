"""The trial balance of the ledger as of a past instant: the sums of its entries by kind and class."""

from dataclasses import dataclass
from datetime import datetime

from billing.queries import cursor_without_timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLine:
    """The entries of one kind and class. `known_minor` is their sum then, `corrected_minor` with later reversals."""

    kind: str
    credit_class: str
    entries: int
    known_minor: int
    corrected_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """The whole ledger at an instant. The sum of the lines is the credit that customers had."""

    at: datetime
    lines: tuple[TrialLine, ...]
    held_minor: int

    @property
    def balance_minor(self) -> int:
        return sum(line.known_minor for line in self.lines)

    @property
    def corrected_minor(self) -> int:
        return sum(line.corrected_minor for line in self.lines)


# A reversal has the class of the entry that it undoes. There are few, and an index finds them.
_LINES = """
WITH part AS (
  SELECT e.kind,
         coalesce(nullif(e.credit_class, ''), CASE WHEN e.kind = 'grant' THEN 'promotional' ELSE '' END) AS class,
         count(*) AS entries, sum(e.amount_minor) AS known, sum(e.amount_minor) AS corrected
    FROM billing_ledgerentry e
   WHERE e.created_at <= %(at)s AND e.reverses_id IS NULL
   GROUP BY 1, 2
  UNION ALL
  SELECT r.kind, coalesce(nullif(e.credit_class, ''), CASE WHEN e.kind = 'grant' THEN 'promotional' ELSE '' END),
         count(*) FILTER (WHERE r.created_at <= %(at)s), sum(r.amount_minor) FILTER (WHERE r.created_at <= %(at)s),
         sum(r.amount_minor)
    FROM billing_ledgerentry r JOIN billing_ledgerentry e ON e.id = r.reverses_id
   WHERE e.created_at <= %(at)s AND r.reverses_id IS NOT NULL
   GROUP BY 1, 2
)
SELECT kind, class, sum(entries)::bigint, coalesce(sum(known), 0)::bigint, coalesce(sum(corrected), 0)::bigint
  FROM part GROUP BY 1, 2 ORDER BY 1, 2
"""
# A captured hold ends with the spend of its order; its own time of closing is of another clock.
_HELD = """
SELECT coalesce(sum(h.amount_minor), 0)::bigint FROM billing_hold h
 WHERE h.created_at <= %(at)s AND (h.closed_at IS NULL OR h.closed_at > %(at)s - interval '1 hour')
   AND billing_hold_active_at(h, %(at)s)
"""


def trial_balance(*, at: datetime) -> TrialBalance:
    """Adds the whole ledger up as of an instant. It reads every entry, so it takes seconds in a long ledger.

    Transaction: owns.
    """
    with cursor_without_timeout() as cursor:
        cursor.execute(_LINES, {"at": at})
        lines = cursor.fetchall()
        cursor.execute(_HELD, {"at": at})
        held = cursor.fetchone()[0]
    return TrialBalance(
        at=at,
        held_minor=held,
        lines=tuple(
            TrialLine(
                kind=kind, credit_class=credit_class, entries=entries, known_minor=known, corrected_minor=corrected
            )
            for kind, credit_class, entries, known, corrected in lines
        ),
    )
