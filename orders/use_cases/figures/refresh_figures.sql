-- Computes the figures of vouchers, cards, campaigns and dealers anew. Installed by every migrate; a nightly job calls it.
--
-- What is left of a grant stands in its lot. An account without lots has spent its oldest credit first, so what is left of
-- it are its newest grants (as billing_open_lots says). A grant that was reversed does not count.
CREATE OR REPLACE FUNCTION orders_refresh_figures(now_is timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Races with a second refresh: the later one begins after the other has committed.
  PERFORM pg_advisory_xact_lock(hashtext('orders_refresh_figures'));
  DELETE FROM promos_codefigures;
  DELETE FROM promos_campaignfigures;
  DELETE FROM promos_dealerfigures;
  DELETE FROM promos_dealerbatchfigures;

  WITH brought AS MATERIALIZED (
    SELECT e.id, sum(e.amount_minor) OVER (PARTITION BY e.account_id ORDER BY e.version DESC) - e.amount_minor AS newer
      FROM billing_ledgerentry e JOIN billing_account a ON a.customer_id = e.account_id
     WHERE a.lots_since IS NULL AND a.balance_minor > 0 AND e.amount_minor > 0 AND e.reverses_id IS NULL
       AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id)
  ), expired AS MATERIALIZED (
    SELECT m.lot_id, -sum(m.amount_minor) AS minor
      FROM billing_lotmove m JOIN billing_ledgerentry e ON e.id = m.entry_id
     WHERE e.kind = 'expiry' GROUP BY m.lot_id
  ), paid AS MATERIALIZED (
    SELECT o.customer_id, max(p.paid_at) AS last_at
      FROM orders_payment p JOIN orders_order o ON o.id = p.order_id WHERE p.status = 'paid' GROUP BY o.customer_id
  ), rest AS MATERIALIZED (
    SELECT r.promo_code_id, c.campaign_id, e.account_id, e.amount_minor, r.reserved_at,
           CASE WHEN l.entry_id IS NOT NULL THEN l.left_minor WHEN b.id IS NULL THEN 0
                ELSE greatest(0, least(e.amount_minor, a.balance_minor - b.newer)) END AS left_minor,
           coalesce(x.minor, 0) AS expired_minor, p.last_at > r.reserved_at AS pays
      FROM promos_redemption r
      JOIN promos_promocode c ON c.id = r.promo_code_id
      JOIN billing_ledgerentry e ON e.redemption_id = r.id AND e.kind = 'grant'
      JOIN billing_account a ON a.customer_id = e.account_id
      LEFT JOIN billing_lot l ON l.entry_id = e.id
      LEFT JOIN brought b ON b.id = e.id AND a.lots_since IS NULL
      LEFT JOIN expired x ON x.lot_id = e.id
      LEFT JOIN paid p ON p.customer_id = e.account_id
     WHERE r.status = 'confirmed' AND NOT EXISTS (SELECT FROM billing_ledgerentry v WHERE v.reverses_id = e.id)
  ), part AS MATERIALIZED (
    SELECT rest.*, least(expired_minor, amount_minor - left_minor) AS gone_minor FROM rest
  ), of_codes AS (
    INSERT INTO promos_codefigures (promo_code_id, redemptions, customers, paying_customers, granted_minor, spent_minor,
                                    expired_minor, left_minor, last_used_at, as_of)
    SELECT promo_code_id, count(*), count(DISTINCT account_id), count(DISTINCT account_id) FILTER (WHERE pays),
           sum(amount_minor), sum(amount_minor - left_minor - gone_minor), sum(gone_minor), sum(left_minor),
           max(reserved_at), now_is
      FROM part GROUP BY promo_code_id
  )
  INSERT INTO promos_campaignfigures (campaign_id, redemptions, customers, paying_customers, granted_minor, spent_minor,
                                      expired_minor, left_minor, last_used_at, as_of)
  SELECT campaign_id, count(*), count(DISTINCT account_id), count(DISTINCT account_id) FILTER (WHERE pays),
         sum(amount_minor), sum(amount_minor - left_minor - gone_minor), sum(gone_minor), sum(left_minor),
         max(reserved_at), now_is
    FROM part GROUP BY campaign_id;

  INSERT INTO promos_dealerbatchfigures (dealer_id, promo_code_id, allocated, activated, redeemed, credit_minor)
  SELECT g.dealer_id, b.promo_code_id, sum(g.last_serial - g.first_serial + 1),
         coalesce(sum(g.last_serial - g.first_serial + 1) FILTER (WHERE g.status = 'active' AND NOT g.locked), 0),
         sum(u.number), coalesce(sum(u.minor), 0)
    FROM promos_cardrange g
    JOIN promos_batch b ON b.id = g.batch_id
   CROSS JOIN LATERAL (SELECT count(*) AS number, sum(r.credit_minor) AS minor FROM promos_redemption r
                        WHERE r.card_serial BETWEEN g.first_serial AND g.last_serial
                          AND r.status IN ('reserved', 'confirmed')) AS u
   WHERE g.dealer_id IS NOT NULL
   GROUP BY g.dealer_id, b.promo_code_id;

  INSERT INTO promos_dealerfigures (dealer_id, allocated, activated, redeemed, credit_minor, as_of)
  SELECT d.id, coalesce(sum(f.allocated), 0), coalesce(sum(f.activated), 0), coalesce(sum(f.redeemed), 0),
         coalesce(sum(f.credit_minor), 0), now_is
    FROM promos_dealer d LEFT JOIN promos_dealerbatchfigures f ON f.dealer_id = d.id
   GROUP BY d.id;
END $$;
