-- Returns the first entry that should have a document and has none, or no row: of those up to the documents' position, and
-- after the first entry that has one, because documents began some day. While the clock is behind the position, because it
-- went back, the entries of the last hour may still wait for the next round (OVERLAP).
WITH cursor AS MATERIALIZED (
  SELECT position, CASE WHEN position > billing_uuid7() THEN now() - interval '1 hour' ELSE 'infinity' END AS due
    FROM orders_documentcursor
), began AS (
  SELECT (SELECT ledger_entry_id FROM orders_document WHERE ledger_entry_id IS NOT NULL ORDER BY ledger_entry_id LIMIT 1) AS ledger,
         (SELECT card_entry_id FROM orders_document WHERE card_entry_id IS NOT NULL ORDER BY card_entry_id LIMIT 1) AS card
), fault AS (
  SELECT e.id, 'ledger entry ' || e.id AS row, e.account_id
    FROM began, cursor, billing_ledgerentry e
    LEFT JOIN billing_ledgerentry o ON o.id = e.reverses_id
   WHERE e.id >= least(began.ledger, began.card) AND e.id <= cursor.position AND e.created_at <= cursor.due
     AND (e.kind = 'spend' OR e.kind IN ('grant', 'adjustment') AND e.reason LIKE 'proration:%'
          OR e.kind = 'reversal' AND (o.kind = 'spend' OR o.reason LIKE 'proration:%'))
     AND NOT EXISTS (SELECT FROM orders_document d WHERE d.ledger_entry_id = e.id)
  UNION ALL
  SELECT c.id, 'card entry ' || c.id, o.customer_id
    FROM began, cursor, orders_cardentry c LEFT JOIN orders_order o ON o.id = c.order_id
   WHERE c.id >= least(began.ledger, began.card) AND c.id <= cursor.position AND c.created_at <= cursor.due
     AND c.kind IN ('payment', 'refund')
     AND NOT EXISTS (SELECT FROM orders_document d WHERE d.card_entry_id = c.id)
)
SELECT fault.row, 'it has no invoice, receipt or credit note', c.user_id
  FROM fault LEFT JOIN billing_customer c ON c.id = fault.account_id
 ORDER BY fault.id LIMIT 1
