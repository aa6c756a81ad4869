-- The VAT of credit whose campaign says when it is due. Installed by every migrate.
--
--   multi-purpose      VAT is due when the credit pays for an order
--   single-purpose     VAT is due when the credit is sold: what it pays for has no further VAT
--   no consideration   free credit: what it pays for has no VAT
--
-- Such credit expires, so its account has lots, and each entry says for ever which lots it took from. Credit that a merge of
-- customers moved keeps its treatment: its entry has a twin in the other account, which names the lot.

-- Returns how the credit of a lot is treated, and since when; no row for multi-purpose credit without a campaign.
CREATE OR REPLACE FUNCTION orders_vat_treatment(of_lot uuid) RETURNS TABLE (treatment text, granted_at timestamptz)
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE origin AS (
    SELECT e.id, e.kind, e.reason, e.redemption_id, e.created_at FROM billing_ledgerentry e WHERE e.id = of_lot
    UNION ALL
    SELECT l.id, l.kind, l.reason, l.redemption_id, l.created_at
      FROM origin o
      JOIN billing_ledgerentry twin ON o.reason LIKE 'transfer:%' AND twin.kind = 'adjustment'
           AND twin.reason LIKE 'transfer:%' AND twin.reason = o.reason AND twin.amount_minor < 0
      JOIN billing_ledgerentry l ON l.id = twin.lot_id
  )
  SELECT g.vat_treatment, o.created_at
    FROM origin o
    JOIN promos_redemption r ON r.id = o.redemption_id
    JOIN promos_promocode p ON p.id = r.promo_code_id
    JOIN promos_campaign g ON g.id = p.campaign_id
   WHERE o.kind = 'grant'
$$;

-- Returns when the month was sold whose unused part an entry of this reason credits (proration:subscription): the time of its
-- last payment. The unused part has the VAT of that day, as the invoice that its credit note corrects.
CREATE OR REPLACE FUNCTION orders_month_sold_at(reason text, until timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  WITH sold AS (
    SELECT s.order_id AS id FROM billing_subscription s WHERE s.id = substring(reason FROM 11)::uuid
    UNION ALL
    SELECT o.id FROM orders_order o WHERE o.renews_id = substring(reason FROM 11)::uuid
  )
  SELECT max(paid.at) FROM sold CROSS JOIN LATERAL (
           SELECT e.created_at AS at FROM billing_ledgerentry e WHERE e.order_id = sold.id AND e.kind = 'spend'
           UNION ALL
           SELECT c.created_at FROM orders_cardentry c WHERE c.order_id = sold.id AND c.kind = 'payment') AS paid
   WHERE paid.at <= until
$$;

-- Returns the VAT that an amount includes at a rate of that day: `rates` is JSON, as a journal keeps it.
CREATE OR REPLACE FUNCTION orders_included_vat(amount_minor bigint, at timestamptz, rates jsonb, zone text) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT round(amount_minor * r.basis_points / (10000 + r.basis_points))
                     FROM jsonb_to_recordset(rates) AS r(starts_on date, basis_points numeric)
                    WHERE r.starts_on <= (at AT TIME ZONE zone)::date ORDER BY r.starts_on DESC LIMIT 1), 0)::bigint
$$;

-- Returns what an entry took of single-purpose credit and of free credit, and the VAT that was due when the former was
-- sold; negative for what it gave back. The VAT of a lot is rounded on what is left of it, so that all parts of a lot add up
-- to the VAT of the lot.
CREATE OR REPLACE FUNCTION orders_vat_parts(of_entry uuid, rates jsonb, zone text)
RETURNS TABLE (single_minor bigint, free_minor bigint, single_vat_minor bigint) LANGUAGE sql STABLE AS $$
  SELECT coalesce(-sum(m.amount_minor) FILTER (WHERE t.treatment = 'single_purpose'), 0)::bigint,
         coalesce(-sum(m.amount_minor) FILTER (WHERE t.treatment = 'no_consideration'), 0)::bigint,
         coalesce(sum(orders_included_vat(left_after.minor - m.amount_minor, t.granted_at, rates, zone)
                      - orders_included_vat(left_after.minor, t.granted_at, rates, zone))
                  FILTER (WHERE t.treatment = 'single_purpose'), 0)::bigint
    FROM billing_lotmove m
    JOIN billing_lot l ON l.entry_id = m.lot_id
   CROSS JOIN LATERAL orders_vat_treatment(m.lot_id) AS t
   CROSS JOIN LATERAL (SELECT (l.amount_minor + sum(x.amount_minor))::bigint AS minor FROM billing_lotmove x
                        WHERE x.lot_id = m.lot_id AND x.entry_id IS NOT NULL AND x.id <= m.id) AS left_after
   WHERE m.entry_id = of_entry
$$;

-- Returns what the VAT of an order follows from: its rate in basis points, the credit that pays for it, the single-purpose and
-- the free part of that, and what a card pays. A paid order has the VAT of its invoice. One that waits for its payment has what
-- its invoice will have, by the credit that is set aside for it and the rate of the day on which it was placed. NULL where no
-- rate applies, and for an order that was never paid.
--
-- VOLATILE: the statement that places an order calls it, and it sees what that statement wrote.
CREATE OR REPLACE FUNCTION orders_vat_facts(of_order uuid, zone text) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM orders_vatrate) THEN RETURN NULL; END IF;
  RETURN (
    SELECT ARRAY[r.basis_points, credit.minor, coalesce(part.single_minor, 0), coalesce(part.free_minor, 0),
                 o.total_minor - credit.minor]
      FROM orders_order o
      LEFT JOIN billing_ledgerentry s ON s.order_id = o.id AND s.kind = 'spend'
      LEFT JOIN LATERAL (SELECT c.created_at FROM orders_payment y JOIN orders_cardentry c
                             ON c.order_id = y.order_id AND c.kind = 'payment'
                            AND c.stripe_object_id IN (y.session_id, y.order_id::text)
                          WHERE y.order_id = o.id LIMIT 1) AS card ON s.id IS NULL
     CROSS JOIN LATERAL (SELECT coalesce(-s.amount_minor, o.credit_applied_minor) AS minor) AS credit
      LEFT JOIN LATERAL (
             SELECT p.single_minor, p.free_minor FROM orders_vat_parts(s.id, '[]', 'UTC') AS p WHERE s.id IS NOT NULL
              UNION ALL
             SELECT sum(m.amount_minor) FILTER (WHERE t.treatment = 'single_purpose')::bigint,
                    sum(m.amount_minor) FILTER (WHERE t.treatment = 'no_consideration')::bigint
               FROM billing_hold h
               JOIN billing_lotmove m ON m.hold_id = h.id
              CROSS JOIN LATERAL orders_vat_treatment(m.lot_id) AS t
              WHERE s.id IS NULL AND h.order_id = o.id AND h.status <> 'released'
             HAVING count(*) > 0) AS part ON true
     CROSS JOIN LATERAL (
             SELECT v.basis_points::bigint FROM orders_vatrate v
              WHERE v.starts_on <= (coalesce(s.created_at, card.created_at, o.created_at) AT TIME ZONE zone)::date
              ORDER BY v.starts_on DESC LIMIT 1) AS r
     WHERE o.id = of_order AND o.status IN ('pending', 'completed', 'refunded') AND r.basis_points > 0);
END $$;
