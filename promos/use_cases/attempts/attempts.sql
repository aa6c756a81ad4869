-- Writes refused attempts, each with the values that decided, as they are now.
--
-- attempts: an array of objects with `act`, `rule`, `text` (the code as a customer entered it, in its stored form),
-- `masked` (shown if the code is unknown), `hash`, `user`, `address`, `channel`, `values` and `at`.
--
-- A request waits for this, so it gives up quickly where a change of the schema holds the table.
CREATE OR REPLACE FUNCTION promos_write_refused_attempts(attempts jsonb) RETURNS void
SET lock_timeout = '250ms' SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off LANGUAGE plpgsql AS $$
DECLARE
  found promos_found_code[];
BEGIN
  found := promos_find_codes(ARRAY(SELECT DISTINCT a.text FROM jsonb_to_recordset(attempts) AS a(text text)));
  INSERT INTO promos_refusedattempt (act, rule, code, code_hash, promo_code_id, card_serial, user_id, address, channel,
                                     values, created_at)
  SELECT a.act, r.rule,
         CASE WHEN p.id IS NULL THEN a.masked WHEN p.for_cards THEN '' ELSE p.code END,
         a.hash, p.id, f.card, a."user", a.address, a.channel,
         jsonb_strip_nulls(CASE r.rule
           WHEN 'promo_retired' THEN jsonb_build_object('retired_at', p.retired_at)
           WHEN 'promo_already_redeemed' THEN jsonb_build_object('redemption', u.id, 'redeemed_at', u.reserved_at)
           WHEN 'promo_exhausted' THEN
             jsonb_build_object('max_redemptions', nullif(p.max_redemptions, 0), 'times_redeemed', s.used,
                                'budget_minor', nullif(g.budget_minor, 0), 'budget_used_minor', m.used,
                                'credit_minor', p.credit_minor, 'redemption', t.id, 'redeemed_at', t.reserved_at)
           WHEN 'promo_not_started' THEN
             jsonb_build_object('starts_at', p.starts_at, 'campaign_starts_at', g.starts_at)
           WHEN 'promo_expired' THEN
             jsonb_build_object('expires_at', p.expires_at, 'campaign_ends_at', g.ends_at, 'range_expires_at', w.expires_at)
           WHEN 'promo_inactive' THEN
             jsonb_build_object('active', p.active, 'campaign_status', g.status)
           WHEN 'card_not_active' THEN
             jsonb_build_object('batch_status', b.status, 'range_status', w.status, 'range_locked', w.locked,
                                'campaign_status', g.status)
           ELSE '{}' END) || a."values",
         a.at
    FROM jsonb_to_recordset(attempts)
         AS a(act text, rule text, text text, masked text, hash text, "user" text, address inet, channel text,
              "values" jsonb, at timestamptz)
    LEFT JOIN unnest(found) AS f ON f.text = a.text
    LEFT JOIN promos_promocode p ON p.id = f.promo
    LEFT JOIN promos_campaign g ON g.id = p.campaign_id
    LEFT JOIN promos_batch b ON b.promo_code_id = p.id
    LEFT JOIN LATERAL promos_range_of(f.card) AS w ON true
   CROSS JOIN LATERAL (SELECT CASE WHEN a.rule = 'promo_not_found' AND p.retired_at IS NOT NULL THEN 'promo_retired'
                                   ELSE a.rule END AS rule) AS r
    LEFT JOIN LATERAL (SELECT sum(n.used) AS used FROM promos_promocounter n
                        WHERE n.promo_code_id = p.id AND r.rule = 'promo_exhausted') AS s ON true
    LEFT JOIN LATERAL (SELECT sum(n.used) AS used FROM promos_budgetcounter n
                        WHERE n.campaign_id = g.id AND r.rule = 'promo_exhausted') AS m ON true
    LEFT JOIN LATERAL (SELECT o.id, o.reserved_at FROM promos_redemption o JOIN billing_customer c ON c.id = o.customer_id
                        WHERE r.rule = 'promo_already_redeemed' AND c.user_id = a."user" AND o.promo_code_id = p.id
                          AND o.card_serial IS NOT DISTINCT FROM f.card AND o.status IN ('reserved', 'confirmed')
                        LIMIT 1) AS u ON true
    LEFT JOIN LATERAL (SELECT o.id, o.reserved_at FROM promos_redemption o
                        WHERE r.rule = 'promo_exhausted' AND o.card_serial = f.card
                          AND o.status IN ('reserved', 'confirmed') LIMIT 1) AS t ON true;
END $$;
