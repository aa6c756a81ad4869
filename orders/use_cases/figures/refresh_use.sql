-- Counts the redemptions of each voucher, batch and campaign by day and state, and refusals by rule, for their pages.
-- Installed by every migrate; the nightly job calls it after orders_refresh_figures, whose rows keep the result. What
-- began before `since` is counted under the day ''. A page adds what has begun from `until_at` on. `last` and
-- `last_refused` are the times of a campaign's newest redemption and refused attempt of these.
CREATE OR REPLACE FUNCTION orders_refresh_use(since timestamptz, until_at timestamptz, zone text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  WITH of_day AS MATERIALIZED (
    SELECT r.promo_code_id, p.campaign_id,
           CASE WHEN r.reserved_at < since THEN '' ELSE ((r.reserved_at AT TIME ZONE zone)::date)::text END AS day,
           count(*) AS begun, max(r.reserved_at) AS last,
           count(*) FILTER (WHERE r.status = 'reserved') AS reserved,
           count(*) FILTER (WHERE r.status = 'confirmed') AS confirmed,
           coalesce(sum(r.credit_minor) FILTER (WHERE r.status = 'confirmed'), 0) AS granted_minor,
           coalesce(sum(r.credit_minor) FILTER (WHERE r.status = 'reserved'), 0) AS reserved_minor
      FROM promos_redemption r JOIN promos_promocode p ON p.id = r.promo_code_id
     WHERE r.reserved_at < until_at GROUP BY 1, 2, 3
  ), of_campaign_day AS (
    SELECT campaign_id, day, sum(begun) AS begun, max(last) AS last, sum(reserved) AS reserved, sum(confirmed) AS confirmed,
           sum(granted_minor) AS granted_minor, sum(reserved_minor) AS reserved_minor
      FROM of_day GROUP BY 1, 2
  ), refused AS MATERIALIZED (
    SELECT a.promo_code_id, p.campaign_id, a.rule, count(*) AS number, max(a.created_at) AS last
      FROM promos_refusedattempt a JOIN promos_promocode p ON p.id = a.promo_code_id
     WHERE a.created_at < until_at GROUP BY 1, 2, 3
  ), code_use AS (
    SELECT promo_code_id, jsonb_object_agg(day, to_jsonb(d) - 'promo_code_id' - 'campaign_id' - 'day' - 'last') AS days
      FROM of_day d GROUP BY 1
  ), code_refused AS (
    SELECT promo_code_id, jsonb_object_agg(rule, number) AS rules FROM refused GROUP BY 1
  ), campaign_use AS (
    SELECT campaign_id, max(last) AS last,
           jsonb_object_agg(day, to_jsonb(d) - 'campaign_id' - 'day' - 'last') AS days
      FROM of_campaign_day d GROUP BY 1
  ), campaign_refused AS (
    SELECT campaign_id, max(last) AS last, jsonb_object_agg(rule, number) AS rules
      FROM (SELECT campaign_id, rule, max(last) AS last, sum(number) AS number FROM refused GROUP BY 1, 2) r GROUP BY 1
  ), of_codes AS (
    UPDATE promos_codefigures f
       SET use = jsonb_build_object('until', until_at, 'days', u.days, 'refused', coalesce(r.rules, '{}'))
      FROM code_use u LEFT JOIN code_refused r ON r.promo_code_id = u.promo_code_id
     WHERE f.promo_code_id = u.promo_code_id
  )
  UPDATE promos_campaignfigures f
     SET use = jsonb_build_object('until', until_at, 'days', u.days, 'refused', coalesce(r.rules, '{}'),
                                  'last', u.last, 'last_refused', r.last)
    FROM campaign_use u LEFT JOIN campaign_refused r ON r.campaign_id = u.campaign_id
   WHERE f.campaign_id = u.campaign_id;
END $$;
