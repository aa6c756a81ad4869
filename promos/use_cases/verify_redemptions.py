from billing.queries import cursor_without_timeout

# What must agree: a code's counters with its live redemptions and its cap, a redemption with its grant. Each table
# is read once and summed up by code or redemption: looked up for each row it would take hours of a long history.
_STATEMENT = """
WITH counted AS (
  SELECT p.id, p.code, p.max_redemptions, coalesce(r.live, 0) AS live, coalesce(n.used, 0) AS used,
         coalesce(n.quota, 0) AS quota
    FROM promos_promocode p
    LEFT JOIN (SELECT promo_code_id, count(*) AS live FROM promos_redemption
                WHERE status IN ('reserved', 'confirmed') GROUP BY promo_code_id) r ON r.promo_code_id = p.id
    LEFT JOIN (SELECT promo_code_id, sum(used) AS used, sum(quota) AS quota FROM promos_promocounter
                GROUP BY promo_code_id) n ON n.promo_code_id = p.id
), fault AS (
  SELECT code AS what,
         format('%s live redemptions, %s counted, cap %s of %s', live, used, quota, max_redemptions) AS wrong
    FROM counted
   WHERE quota <> max_redemptions OR (max_redemptions > 0 AND (live <> used OR live > max_redemptions))
  UNION ALL
  SELECT 'redemption ' || r.id, 'its credit in the ledger is not what its state says'
    FROM promos_redemption r
    LEFT JOIN (SELECT redemption_id, sum(amount_minor) AS credit FROM billing_ledgerentry
                WHERE redemption_id IS NOT NULL GROUP BY redemption_id) booked ON booked.redemption_id = r.id
   WHERE coalesce(booked.credit, 0) <> CASE r.status WHEN 'confirmed' THEN r.credit_minor ELSE 0 END
)
SELECT what, wrong FROM fault ORDER BY what LIMIT 1
"""


def verify_redemptions() -> tuple[str, str] | None:
    """The first code or redemption whose count, cap and credit do not agree, and how; None where all do.

    Transaction: one statement sees one state of the database.
    """
    with cursor_without_timeout() as cursor:
        cursor.execute(_STATEMENT)
        fault: tuple[str, str] | None = cursor.fetchone()
    return fault
