-- The lines of the journal from one instant to another, two or three an event, in order. Parameters: start, finish, rules and
-- rates (JSON), zone. The debits of an event are as much as its credits.
--
-- VAT is what the price includes. Free credit pays without VAT. The VAT of single-purpose credit is due when it is sold: the
-- event vat.single_purpose posts it then, and moves it to the account of its debit, from which spending and expiry take it
-- (vat_of_credit.sql). Of several refunds of a payment it is rounded on their total, so that a full refund gives
-- back exactly the VAT of the payment.
WITH rule AS (
  SELECT * FROM jsonb_to_recordset(%(rules)s::jsonb)
         AS r(event text, debit text, credit text, vat text, cost_centre text, revenue_side text)
), rate AS (
  SELECT * FROM jsonb_to_recordset(%(rates)s::jsonb) AS r(starts_on date, basis_points numeric)
), prepaid AS (
  SELECT debit AS account FROM rule
   WHERE event = 'vat.single_purpose' AND EXISTS (SELECT FROM promos_campaign WHERE vat_treatment <> 'multi_purpose')
), special AS MATERIALIZED (  -- the entries that brought, took or gave back credit whose campaign says when its VAT is due
  SELECT e.id, sold.treatment, part.*
    FROM billing_ledgerentry e
    LEFT JOIN LATERAL orders_vat_treatment(e.id) AS sold ON e.kind = 'grant' AND e.redemption_id IS NOT NULL
   CROSS JOIN LATERAL orders_vat_parts(e.id, %(rates)s::jsonb, %(zone)s) AS part
   WHERE EXISTS (SELECT FROM prepaid) AND e.created_at >= %(start)s AND e.created_at < %(finish)s
     AND (e.kind = 'grant' AND e.redemption_id IS NOT NULL
          OR EXISTS (SELECT FROM billing_lotmove m WHERE m.entry_id = e.id))
), credit AS (
  SELECT e.id, e.created_at AS at,
         coalesce(CASE WHEN coalesce(o.reason, e.reason) LIKE 'proration:%%'
                       THEN orders_month_sold_at(coalesce(o.reason, e.reason), e.created_at) END,
                  o.created_at, u.created_at, e.created_at) AS taxed_at, e.order_id, a.currency,
         e.amount_minor, coalesce(s.single_minor + s.free_minor, 0) AS untaxed_minor,
         coalesce(s.single_vat_minor, 0) AS single_vat_minor,
         CASE WHEN s.treatment = 'single_purpose'
              THEN orders_included_vat(e.amount_minor, e.created_at, %(rates)s::jsonb, %(zone)s)
              ELSE -coalesce(s.single_vat_minor, 0) END AS due_minor,
         CASE coalesce(o.kind, e.kind)
           WHEN 'grant' THEN CASE WHEN coalesce(o.reason, e.reason) LIKE 'proration:%%' THEN 'credit.unused_month'
                ELSE 'credit.granted_' || coalesce(nullif(coalesce(o.credit_class, e.credit_class), ''), 'promotional') END
           WHEN 'spend' THEN 'credit.spent'
           WHEN 'expiry' THEN 'credit.expired'
           ELSE CASE WHEN coalesce(o.reason, e.reason) LIKE 'transfer:%%' THEN 'credit.transferred'
                     WHEN coalesce(o.reason, e.reason) LIKE 'proration:%%' THEN 'credit.unused_month'
                     WHEN coalesce(o.reason, e.reason) LIKE 'dispute:%%' THEN 'dispute.taken_back'
                     ELSE 'credit.adjusted' END
         END AS event
    FROM billing_ledgerentry e
    JOIN billing_account a ON a.customer_id = e.account_id
    LEFT JOIN billing_ledgerentry o ON o.id = e.reverses_id
    LEFT JOIN billing_ledgerentry u  -- the unused month that an adjustment takes back
           ON e.kind = 'adjustment' AND u.kind = 'grant' AND u.reason LIKE 'proration:%%' AND u.reason = e.reason
    LEFT JOIN special s ON s.id = e.id
   WHERE e.created_at >= %(start)s AND e.created_at < %(finish)s
), moved AS (
  SELECT id, at, taxed_at, order_id, currency, 0::bigint AS before_minor, amount_minor, untaxed_minor,
         CASE WHEN event IN ('credit.spent', 'credit.expired') THEN single_vat_minor ELSE 0 END AS prepaid_minor, event
    FROM credit
  UNION ALL
  SELECT id, at, taxed_at, order_id, currency, 0, due_minor, 0, 0, 'vat.single_purpose'
    FROM credit WHERE event NOT IN ('credit.spent', 'credit.expired', 'credit.transferred')
  UNION ALL
  SELECT c.id, c.created_at, coalesce(p.created_at, c.created_at), c.order_id, c.currency,
         c.total_minor - c.amount_minor, c.amount_minor, 0, 0,
         CASE WHEN c.kind IN ('owed', 'written_off') THEN 'dispute.' || c.kind ELSE 'card.' || c.kind END
    FROM orders_cardentry c
    LEFT JOIN orders_cardentry p
           ON c.kind = 'refund' AND p.kind = 'payment' AND p.stripe_object_id = c.stripe_object_id
   WHERE c.created_at >= %(start)s AND c.created_at < %(finish)s
), signed AS (
  SELECT m.*, r.debit, r.credit, r.vat, r.cost_centre, r.revenue_side,
         CASE WHEN m.event IN ('credit.spent', 'credit.expired', 'dispute.taken_back', 'card.refund', 'card.dispute',
                             'card.fee', 'card.payout', 'dispute.written_off')
              THEN -1 ELSE 1 END AS direction,
         CASE WHEN m.event = 'credit.spent' THEN m.amount_minor + m.untaxed_minor ELSE m.amount_minor END AS taxed_minor,
         CASE WHEN r.vat = '' THEN 0 ELSE coalesce(
           (SELECT basis_points FROM rate WHERE starts_on <= (m.taxed_at AT TIME ZONE %(zone)s)::date
             ORDER BY starts_on DESC LIMIT 1), 0) END AS basis_points
    FROM moved m JOIN rule r USING (event)
  OFFSET 0  -- so that each rate is looked up once
), taxed AS (
  SELECT s.*, direction * amount_minor AS gross_minor,
         direction * (round((before_minor + taxed_minor) * basis_points / (10000 + basis_points))
                      - round(before_minor * basis_points / (10000 + basis_points)))::bigint AS vat_minor
    FROM signed s
  OFFSET 0
), line AS (
  SELECT t.*, l.number, l.account, l.side,
         CASE l.account_kind
           WHEN 'vat' THEN t.vat_minor
           WHEN 'prepaid' THEN t.prepaid_minor
           ELSE t.gross_minor - CASE WHEN t.revenue_side = l.account_kind THEN t.vat_minor ELSE 0 END
                              - CASE WHEN l.account_kind = 'credit' THEN t.prepaid_minor ELSE 0 END
         END AS line_minor
    FROM taxed t CROSS JOIN LATERAL (VALUES
      (1, t.debit, 'debit', 'debit'),
      (2, t.vat, t.revenue_side, 'vat'),
      (3, t.credit, 'credit', 'credit'),
      (4, (SELECT account FROM prepaid), 'credit', 'prepaid')) AS l(number, account, side, account_kind)
)
SELECT at, event, id, order_id, account, cost_centre,
       CASE WHEN (side = 'debit') = (line_minor > 0) THEN abs(line_minor) ELSE 0 END AS debit_minor,
       CASE WHEN (side = 'debit') = (line_minor > 0) THEN 0 ELSE abs(line_minor) END AS credit_minor,
       currency
  FROM line WHERE line_minor <> 0
 ORDER BY at, id, event = 'vat.single_purpose', number
