from django.db import connection

# What must agree: a code's counters with its live redemptions and with its cap, a redemption with its grant.
_STATEMENT = """
WITH counted AS (
  SELECT p.id, p.code, p.max_redemptions,
         (SELECT count(*) FROM promos_redemption r
           WHERE r.promo_code_id = p.id AND r.status IN ('reserved', 'confirmed')) AS live,
         (SELECT coalesce(sum(used), 0) FROM promos_promocounter WHERE promo_code_id = p.id) AS used,
         (SELECT coalesce(sum(quota), 0) FROM promos_promocounter WHERE promo_code_id = p.id) AS quota
    FROM promos_promocode p
), fault AS (
  SELECT code AS what,
         format('%s live redemptions, %s counted, cap %s of %s', live, used, quota, max_redemptions) AS wrong
    FROM counted
   WHERE quota <> max_redemptions OR (max_redemptions > 0 AND (live <> used OR live > max_redemptions))
  UNION ALL
  SELECT 'redemption ' || r.id, 'its credit in the ledger is not what its state says'
    FROM promos_redemption r
    LEFT JOIN LATERAL (SELECT sum(amount_minor) AS credit FROM billing_ledgerentry
                        WHERE redemption_id = r.id) AS booked ON true
   WHERE coalesce(booked.credit, 0) <> CASE r.status WHEN 'confirmed' THEN r.credit_minor ELSE 0 END
)
SELECT what, wrong FROM fault ORDER BY what LIMIT 1
"""


def verify_redemptions() -> tuple[str, str] | None:
    """The first code or redemption whose count, cap and credit do not agree, and how; None where all do.

    Transaction: one statement sees one state of the database.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT)
        fault: tuple[str, str] | None = cursor.fetchone()
    return fault
