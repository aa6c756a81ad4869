-- The entries that have VAT and no document yet, in the order of their keys: what credit and cards paid, and what customers
-- got back. Parameters: after, until (keys), size. Each part reads by the primary key, from the position on.
WITH entry AS (
  SELECT e.id, e.created_at AS at, e.kind, e.reason, e.amount_minor, e.order_id, e.reverses_id
    FROM billing_ledgerentry e
   WHERE e.id > %(after)s AND e.id < %(until)s
     AND (e.kind IN ('spend', 'reversal') OR (e.kind IN ('grant', 'adjustment') AND e.reason LIKE 'proration:%%'))
     AND NOT EXISTS (SELECT FROM orders_document d WHERE d.ledger_entry_id = e.id)
), moved AS (
  SELECT e.id, e.at,
         coalesce(CASE WHEN coalesce(o.reason, e.reason) LIKE 'proration:%%'
                       THEN orders_month_sold_at(coalesce(o.reason, e.reason), e.at) END,
                  o.created_at, u.created_at, e.at) AS taxed_at,
         coalesce(e.order_id, o.order_id, u.order_id) AS order_id,
         CASE WHEN e.kind = 'spend' THEN 'spent'
              WHEN e.kind = 'grant' THEN 'unused_month'
              WHEN e.kind = 'adjustment' THEN 'unused_month_taken_back'
              WHEN o.kind = 'spend' THEN 'credit_returned'
              WHEN o.kind = 'grant' AND o.reason LIKE 'proration:%%' THEN 'unused_month_taken_back'
              WHEN o.kind = 'adjustment' AND o.reason LIKE 'proration:%%' THEN 'unused_month'
         END AS kind,
         abs(e.amount_minor) AS amount_minor, 0::bigint AS before_minor,
         coalesce(e.reverses_id, u.id) AS corrected_entry_id, coalesce(o.reason, e.reason) AS source
    FROM entry e
    LEFT JOIN billing_ledgerentry o ON o.id = e.reverses_id
    LEFT JOIN billing_ledgerentry u  -- the unused month that an adjustment takes back
           ON e.kind = 'adjustment' AND u.kind = 'grant' AND u.reason LIKE 'proration:%%' AND u.reason = e.reason
  UNION ALL
  SELECT c.id, c.created_at, coalesce(p.created_at, c.created_at), c.order_id, c.kind, abs(c.amount_minor),
         abs(c.total_minor - c.amount_minor), p.id, c.stripe_object_id
    FROM orders_cardentry c
    LEFT JOIN orders_cardentry p
           ON c.kind = 'refund' AND p.kind = 'payment' AND p.stripe_object_id = c.stripe_object_id
   WHERE c.id > %(after)s AND c.id < %(until)s AND c.kind IN ('payment', 'refund')
     AND NOT EXISTS (SELECT FROM orders_document d WHERE d.card_entry_id = c.id)
)
SELECT id, at, taxed_at, order_id, kind, amount_minor, before_minor, corrected_entry_id, source
  FROM moved WHERE kind IS NOT NULL ORDER BY id LIMIT %(size)s
