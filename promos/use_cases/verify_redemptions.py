from billing.models import Verification
from billing.queries import cursor_without_timeout
from billing.use_cases.ledger.record_verification import record_verification

# A code's counters must agree with its live redemptions and its cap, a campaign's with the credit of its live
# redemptions and its budget, and a redemption with its ledger entries.
# Each table is read once and aggregated. A lookup for each row would take hours on a long history.
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
  SELECT 'campaign ' || g.name,
         format('%s granted by live redemptions, %s counted, budget %s of %s',
                coalesce(r.granted, 0), coalesce(n.used, 0), coalesce(n.quota, 0), g.budget_minor)
    FROM promos_campaign g
    LEFT JOIN (SELECT campaign_id, sum(used) AS used, sum(quota) AS quota FROM promos_budgetcounter
                GROUP BY campaign_id) n ON n.campaign_id = g.id
    LEFT JOIN (SELECT p.campaign_id, sum(r.credit_minor) AS granted
                 FROM promos_redemption r JOIN promos_promocode p ON p.id = r.promo_code_id
                WHERE r.status IN ('reserved', 'confirmed') GROUP BY p.campaign_id) r ON r.campaign_id = g.id
   WHERE coalesce(n.quota, 0) <> g.budget_minor
      OR (g.budget_minor > 0 AND (coalesce(r.granted, 0) <> coalesce(n.used, 0) OR r.granted > g.budget_minor))
  UNION ALL
  SELECT 'redemption ' || r.id, 'a further use of a customer who has no first one'
    FROM promos_redemption r
    LEFT JOIN promos_redemption f ON f.promo_code_id = r.promo_code_id AND f.customer_id = r.customer_id
     AND f.card_serial IS NULL AND f.use_number IS NULL AND f.status IN ('reserved', 'confirmed')
   WHERE r.use_number IS NOT NULL AND r.status IN ('reserved', 'confirmed') AND f.id IS NULL
  UNION ALL
  SELECT 'redemption ' || r.id, 'its credit in the ledger does not match its state'
    FROM promos_redemption r
    LEFT JOIN (SELECT redemption_id, sum(amount_minor) AS credit FROM billing_ledgerentry
                WHERE redemption_id IS NOT NULL GROUP BY redemption_id) booked ON booked.redemption_id = r.id
   WHERE coalesce(booked.credit, 0) <> CASE r.status WHEN 'confirmed' THEN r.credit_minor ELSE 0 END
)
SELECT what, wrong FROM fault ORDER BY what LIMIT 1
"""


def verify_redemptions() -> tuple[str, str] | None:
    """Returns the first code or redemption with a discrepancy, and what is wrong with it. None if there is none.

    Transaction: one statement, which sees one snapshot of the database.
    """
    with cursor_without_timeout() as cursor:
        cursor.execute(_STATEMENT)
        fault: tuple[str, str] | None = cursor.fetchone()
    return fault


def verify_and_record_redemptions() -> str:
    """Verifies the redemptions, and records when and with which result. Returns the fault. Transaction: owns."""
    fault = ": ".join(verify_redemptions() or ())
    record_verification(Verification.Books.REDEMPTIONS, fault=fault)
    return fault
