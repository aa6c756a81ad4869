-- The restrictions of codes and campaigns: the one place that decides whether a redemption keeps to them.
--
-- A code without restrictions, in a campaign without any, never reaches this file. The keys of the JSON stand in
-- models/restrictions.py.

-- Returns whether a voucher with these restrictions of its own is redeemed more than once by a customer: they limit the uses
-- of a customer, and not to one. In Python, allow_repeats (models/restrictions.py) says the same; a test holds the two equal.
CREATE OR REPLACE FUNCTION promos_allow_repeats(rules jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(rules ?| '{uses_per_customer,uses_per_day,uses_per_week,uses_per_month}'
                  AND (rules->'uses_per_customer') IS DISTINCT FROM '1'::jsonb, false)
$$;

-- Returns the number of a customer's next use of a repeatable voucher: NULL for the first, else one above the highest of
-- the live ones. The caller holds the account's lock.
CREATE OR REPLACE FUNCTION promos_next_use(promo uuid, customer bigint) RETURNS int
SET enable_seqscan = off LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM promos_redemption r
                            WHERE r.promo_code_id = promo AND r.customer_id = customer AND r.card_serial IS NULL
                              AND r.use_number IS NULL AND r.status IN ('reserved', 'confirmed'))
    THEN coalesce((SELECT max(r.use_number) FROM promos_redemption r
                    WHERE r.promo_code_id = promo AND r.customer_id = customer AND r.use_number IS NOT NULL
                      AND r.status IN ('reserved', 'confirmed')), 1) + 1 END
$$;

-- The order that a code is redeemed with. NULL stands for a redemption into the balance. `is_first` says whether the
-- customer has no other order that was bought or that awaits its payment.
DO $$ BEGIN
  CREATE TYPE promos_basket AS (total bigint, plan uuid, addons jsonb, is_first boolean);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Returns the first of these rules that a redemption would break, or NULL. The limits on uses are not judged here. A forecast
-- calls this for many past orders too (orders/use_cases/campaigns/replay_orders.sql). Args: address: in lower case.
CREATE OR REPLACE FUNCTION promos_find_broken_rule(rules jsonb, "user" text, address text, basket promos_basket)
RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE
    WHEN basket IS NULL AND rules->>'only' = 'orders' THEN 'promo_needs_order'
    WHEN basket IS NOT NULL AND rules->>'only' = 'top_ups' THEN 'promo_only_top_up'
    WHEN "user" IS NOT NULL AND rules ? 'customers'
         AND NOT (rules->'customers' ? "user" OR rules->'customers' ? address)
      THEN 'promo_customer_not_eligible'
    WHEN "user" IS NOT NULL AND rules ? 'email_domains'
         AND NOT rules->'email_domains' ? coalesce(substring(address FROM '@([^@]*)$'), '')
      THEN 'promo_email_not_eligible'
    WHEN rules ? 'plans' AND NOT rules->'plans' ? basket.plan::text THEN 'promo_plan_not_eligible'
    WHEN rules ? 'addons'
         AND NOT rules->'addons' ?| ARRAY(SELECT jsonb_array_elements_text(basket.addons))
      THEN 'promo_addon_missing'
    WHEN basket.total < (rules->>'minimum_order_minor')::bigint THEN 'promo_order_too_small'
    WHEN rules ? 'first_order_only' AND NOT basket.is_first THEN 'promo_not_first_order'
  END;
END $$;

-- Returns the first rule that a redemption would break, as the code of its refusal (check_restrictions.py), or NULL. The
-- code's own restrictions come first, then its campaign's: both apply.
--
-- customer: NULL for a user who has never acted. user: NULL where the user is not known; rules about customers then count
-- as kept.
--
-- The caller of a redemption holds the account's lock, so that the uses it counts are exact.
CREATE OR REPLACE FUNCTION promos_find_broken_restriction(
  promo uuid, customer bigint, "user" text, email text, basket promos_basket, as_of timestamptz)
RETURNS text SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql STABLE AS $$
DECLARE
  own record;
  address text := coalesce(lower(email), '');
  broken text;
BEGIN
  FOR own IN SELECT p.restrictions AS rules, NULL::uuid AS campaign FROM promos_promocode p WHERE p.id = promo
             UNION ALL
             SELECT g.restrictions, g.id FROM promos_promocode p JOIN promos_campaign g ON g.id = p.campaign_id
              WHERE p.id = promo LOOP
    CONTINUE WHEN own.rules IS NULL;
    broken := coalesce(
      promos_find_broken_rule(own.rules, "user", address, basket),
      CASE WHEN customer IS NOT NULL AND own.rules ?| '{uses_per_customer,uses_per_day,uses_per_week,uses_per_month}'
        THEN promos_find_used_up(own.rules, promo, own.campaign, customer, as_of) END);
    IF broken IS NOT NULL THEN RETURN broken; END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Counts a customer's uses that these rules limit: in all, and in the day, the week and the month of an instant. A campaign's
-- limits count the uses of all its codes and cards, a batch's those of its cards. A day, a week and a month are those of the
-- zone that the rules name.
CREATE OR REPLACE FUNCTION promos_count_uses(
  rules jsonb, promo uuid, campaign uuid, customer bigint, as_of timestamptz,
  OUT in_all bigint, OUT in_day bigint, OUT in_week bigint, OUT in_month bigint)
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql STABLE AS $$
DECLARE
  zone text := coalesce(rules->>'time_zone', 'UTC');
BEGIN
  SELECT count(*),
         count(*) FILTER (WHERE date_trunc('day', r.reserved_at, zone) = date_trunc('day', as_of, zone)),
         count(*) FILTER (WHERE date_trunc('week', r.reserved_at, zone) = date_trunc('week', as_of, zone)),
         count(*) FILTER (WHERE date_trunc('month', r.reserved_at, zone) = date_trunc('month', as_of, zone))
    INTO in_all, in_day, in_week, in_month
    FROM promos_redemption r JOIN promos_promocode p ON p.id = r.promo_code_id
   WHERE r.customer_id = customer AND r.status IN ('reserved', 'confirmed')
     AND CASE WHEN campaign IS NULL THEN p.id = promo ELSE p.campaign_id = campaign END;
END $$;

-- Returns the first limit on a customer's uses that is used up, or NULL.
CREATE OR REPLACE FUNCTION promos_find_used_up(
  rules jsonb, promo uuid, campaign uuid, customer bigint, as_of timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN u.in_all >= (rules->>'uses_per_customer')::bigint THEN 'promo_customer_limit'
              WHEN u.in_day >= (rules->>'uses_per_day')::bigint THEN 'promo_daily_limit'
              WHEN u.in_week >= (rules->>'uses_per_week')::bigint THEN 'promo_weekly_limit'
              WHEN u.in_month >= (rules->>'uses_per_month')::bigint THEN 'promo_monthly_limit' END
    FROM promos_count_uses(rules, promo, campaign, customer, as_of) AS u
$$;
