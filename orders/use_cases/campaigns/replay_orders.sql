-- Replays the orders of a past period against the terms of an offer: one row of figures.
--
-- promos_find_broken_rule judges each order, as it judges a redemption: by each of the offer's rules, its own first. The limits on uses count the orders that would have
-- used the offer, each once; where limits of a week and of a month are set together, the week is counted first.
-- A sample takes all orders of some customers, so that first orders and limits stay exact for each of them.
WITH replayed AS MATERIALIZED (
  SELECT o.id, o.customer_id, o.created_at AS at, o.promo_code_id IS NOT NULL AS used_code,
         (SELECT broken
            FROM jsonb_array_elements(%(rules)s::jsonb) WITH ORDINALITY AS each (rules, place),
                 promos_find_broken_rule(
                   rules, c.user_id, coalesce(lower(c.email), ''),
                   ROW(o.total_minor, o.plan_id, o.addons,
                       NOT EXISTS (SELECT FROM orders_order before
                                    WHERE before.customer_id = o.customer_id AND before.kind = 'purchase'
                                      AND before.status IN ('completed', 'refunded')
                                      AND before.created_at < o.created_at)
                      )::promos_basket) AS broken
           WHERE broken IS NOT NULL ORDER BY place LIMIT 1) AS broken
    FROM orders_order o JOIN billing_customer c ON c.id = o.customer_id
   WHERE o.kind = 'purchase' AND o.status IN ('completed', 'refunded')
     AND o.created_at >= %(since)s AND o.created_at < %(until)s
     AND (%(one_in)s = 1 OR abs(hashint8(o.customer_id)::bigint) %% %(one_in)s = 0)
), kept AS (
  SELECT r.*, row_number() OVER (PARTITION BY customer_id, date_trunc('day', at, %(zone)s) ORDER BY at, id) AS of_day
    FROM replayed r WHERE broken IS NULL
), of_days AS (
  SELECT k.*, row_number() OVER (PARTITION BY customer_id, date_trunc('week', at, %(zone)s) ORDER BY at, id) AS of_week
    FROM kept k WHERE of_day <= coalesce(%(day)s, of_day)
), of_weeks AS (
  SELECT d.*, row_number() OVER (PARTITION BY customer_id, date_trunc('month', at, %(zone)s) ORDER BY at, id) AS of_month
    FROM of_days d WHERE of_week <= coalesce(%(week)s, of_week)
), of_months AS (
  SELECT w.*, row_number() OVER (PARTITION BY customer_id ORDER BY at, id) AS of_customer
    FROM of_weeks w WHERE of_month <= coalesce(%(month)s, of_month)
), used AS (
  SELECT m.*, row_number() OVER (ORDER BY at, id) * %(one_in)s AS number
    FROM of_months m WHERE of_customer <= coalesce(%(customer)s, of_customer)
)
SELECT (SELECT count(*) FROM replayed),
       (SELECT count(*) FROM kept),
       (SELECT count(*) FROM kept WHERE used_code),
       (SELECT count(DISTINCT customer_id) FROM kept),
       (SELECT count(*) FROM used),
       (SELECT min(at) FROM used WHERE number >= %(capacity)s),
       (SELECT coalesce(jsonb_object_agg(broken, number), '{}')
          FROM (SELECT broken, count(*) AS number FROM replayed WHERE broken IS NOT NULL GROUP BY broken) AS b)
