-- Returns the first fault of the card entries, or no row if they add up with payments, months and disputes.
WITH entry AS (
  SELECT e.*, sum(amount_minor) OVER (PARTITION BY stripe_object_id, kind ORDER BY abs(total_minor)) AS running
    FROM orders_cardentry AS e
), object AS (
  SELECT stripe_object_id, order_id,
         coalesce(sum(amount_minor) FILTER (WHERE kind = 'payment'), 0) AS paid,
         -coalesce(sum(amount_minor) FILTER (WHERE kind = 'refund'), 0) AS refunded,
         -coalesce(sum(amount_minor) FILTER (WHERE kind = 'dispute'), 0) AS disputed,
         coalesce(sum(amount_minor) FILTER (WHERE kind = 'dispute_won'), 0) AS won,
         coalesce(sum(amount_minor) FILTER (WHERE kind = 'owed'), 0) AS owed,
         -coalesce(sum(amount_minor) FILTER (WHERE kind = 'written_off'), 0) AS written_off
    FROM orders_cardentry GROUP BY stripe_object_id, order_id
), payment AS (
  SELECT p.order_id, coalesce(p.session_id, p.order_id::text) AS stripe_object_id, p.refunded_minor,
         CASE WHEN p.status = 'paid' THEN p.amount_minor ELSE 0 END AS paid_minor
    FROM orders_payment p
), month AS (
  SELECT i.stripe_invoice_id, i.amount_minor FROM billing_invoice i
   WHERE i.stripe_invoice_id <> '' AND i.status = 'paid' AND i.order_id IS NULL AND i.amount_minor > 0
), fault AS (
  SELECT 1 AS stage, id::text AS key, order_id, 'card entry ' || id AS row,
         format('total %s, its entries sum to %s', total_minor, running) AS wrong
    FROM entry WHERE total_minor <> running
  UNION ALL
  SELECT 2, p.order_id::text, p.order_id, 'payment of order ' || p.order_id,
         CASE WHEN coalesce(o.paid, 0) <> p.paid_minor
              THEN format('%s was paid, its card entries say %s', p.paid_minor, coalesce(o.paid, 0))
              ELSE format('%s was refunded, its card entries say %s', p.refunded_minor, coalesce(o.refunded, 0)) END
    FROM payment AS p LEFT JOIN object AS o USING (stripe_object_id, order_id)
   WHERE coalesce(o.paid, 0) <> p.paid_minor OR coalesce(o.refunded, 0) <> p.refunded_minor
  UNION ALL
  SELECT 3, m.stripe_invoice_id, o.order_id, 'month ' || m.stripe_invoice_id,
         format('%s was paid, its card entries say %s', m.amount_minor, coalesce(o.paid, 0))
    FROM month AS m LEFT JOIN object AS o ON o.stripe_object_id = m.stripe_invoice_id
   WHERE coalesce(o.paid, 0) <> m.amount_minor
  UNION ALL
  SELECT 4, o.stripe_object_id, o.order_id, 'card entries of ' || o.stripe_object_id, 'no payment or month has this object'
    FROM object AS o
   WHERE (o.paid > 0 OR o.refunded > 0)
     AND NOT EXISTS (SELECT FROM payment AS p WHERE p.stripe_object_id = o.stripe_object_id AND p.order_id = o.order_id)
     AND NOT EXISTS (SELECT FROM month AS m WHERE m.stripe_invoice_id = o.stripe_object_id)
  UNION ALL
  SELECT 5, o.stripe_object_id, o.order_id, 'card entries of ' || o.stripe_object_id,
         format('%s was refunded of %s, and %s won and %s owed of %s disputed', refunded, paid, won, owed, disputed)
    FROM object AS o
   WHERE refunded > paid OR won + owed > disputed OR won NOT IN (0, disputed) OR won > 0 AND owed > 0
      OR written_off > owed
)
SELECT fault.row, fault.wrong, c.user_id
  FROM fault LEFT JOIN orders_order AS o ON o.id = fault.order_id LEFT JOIN billing_customer AS c ON c.id = o.customer_id
 ORDER BY stage, key LIMIT 1
