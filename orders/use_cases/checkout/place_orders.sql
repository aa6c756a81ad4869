-- A checkout that credit covers, as one statement and one transaction: orders_place_orders, the last function here.
-- Python decides prices and refusals, which need no lock (place_order.py). This file takes the locks, checks the state
-- again, and writes only orders for which everything still holds.
--
-- Other paths use its parts: a checkout with a remainder by card and a renewal write their orders with
-- orders_write_orders, and orders_complete_orders completes a paid checkout.

DO $$ BEGIN
  CREATE TYPE orders_new_order AS (
    id uuid, organization uuid, plan uuid, apps jsonb, addons jsonb, lines jsonb,
    total bigint, credit_applied bigint, currency text,
    replaces uuid,                            -- the live subscription that the caller saw
    renews uuid, period_start timestamptz,    -- a renewal's subscription and month
    period_end timestamptz,                   -- the end of the first month
    code text, redemption uuid, entry uuid,   -- the promo code, and the new ids for its redemption and its grant
    catalog uuid,                             -- the version of the catalog that gave the prices
    key text, hash text, key_expires_at timestamptz,
    "user" text, role text, channel text, address inet, at timestamptz,
    customer bigint, promo uuid,              -- found under the locks
    email text,                               -- the address that the user's token names
    proration uuid,                           -- the id of a new entry, which credits the replaced one's unused month
    bundle jsonb);                            -- the bundle whose discount the lines contain
  CREATE TYPE orders_placed_order AS (id uuid, balance bigint);
  CREATE TYPE orders_completion AS (
    order_id uuid, paid_by text, stripe_subscription text, stripe_invoice text,
    period_start timestamptz, period_end timestamptz);
EXCEPTION WHEN duplicate_object THEN
  -- An attribute that came later stands last, so that a process of an earlier release may leave it out.
  IF NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = 'orders_new_order'::regclass AND attname = 'email' AND NOT attisdropped) THEN
    ALTER TYPE orders_new_order ADD ATTRIBUTE email text;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = 'orders_new_order'::regclass AND attname = 'proration' AND NOT attisdropped) THEN
    ALTER TYPE orders_new_order ADD ATTRIBUTE proration uuid;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = 'orders_new_order'::regclass AND attname = 'bundle' AND NOT attisdropped) THEN
    ALTER TYPE orders_new_order ADD ATTRIBUTE bundle jsonb;
  END IF;
END $$;

-- Writes orders and their lines.
CREATE OR REPLACE FUNCTION orders_write_orders(orders orders_new_order[], as_status text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders_order (id, customer_id, organization_id, plan_id, apps, addons, total_minor, credit_applied_minor,
                            currency, status, kind, renews_id, period_start, promo_code_id, promo_code, placed_by,
                            placed_by_role, channel, address, created_at, completed_at, bundle)
  SELECT o.id, o.customer, o.organization, o.plan, o.apps, o.addons, o.total, o.credit_applied,
         o.currency, as_status, CASE WHEN o.renews IS NULL THEN 'purchase' ELSE 'renewal' END, o.renews,
         o.period_start, o.promo, CASE WHEN o.promo IS NULL THEN '' ELSE o.code END, o."user",
         o.role, o.channel, o.address, o.at, CASE WHEN as_status = 'completed' THEN o.at END,
         o.bundle
    FROM unnest(orders) AS o;
  INSERT INTO orders_orderline (order_id, position, kind, item_id, slug, name, name_ar, price_minor, net_minor,
                                discount_minor)
  SELECT o.id, line.ordinality, item->>'kind', (item->>'item_id')::uuid, item->>'slug', item->>'name',
         coalesce(item->>'name_ar', ''), (item->>'price_minor')::bigint, (item->>'net_minor')::bigint, coalesce((item->>'discount_minor')::bigint, 0)
    FROM unnest(orders) AS o CROSS JOIN jsonb_array_elements(o.lines) WITH ORDINALITY AS line(item, ordinality);
END $$;

-- Gives completed orders their effect: the organization gets its plan, apps and add-ons; an earlier subscription ends
-- (a job ends it at Stripe); the new one starts with its first invoice paid; and it writes the event for other systems
-- and the jobs for the worker. Apps that an organization runs stay: only their removal ends them.
-- The caller holds the locks of the accounts and organizations.
CREATE OR REPLACE FUNCTION orders_complete_orders(completions orders_completion[]) RETURNS void
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  deferred bigint[];
BEGIN
  UPDATE billing_organization AS t
     SET plan_id = o.plan_id, addons = o.addons,
         apps = CASE t.status WHEN 'pending' THEN o.apps
                ELSE t.apps || (SELECT coalesce(jsonb_agg(app), '[]') FROM jsonb_array_elements(o.apps) AS ordered (app)
                                 WHERE NOT t.apps @> app) END,
         status = CASE t.status WHEN 'pending' THEN 'provisioning' WHEN 'suspended' THEN 'active' ELSE t.status END
    FROM unnest(completions) AS c JOIN orders_order o ON o.id = c.order_id
   WHERE t.id = o.organization_id;

  WITH ended AS (
    UPDATE billing_subscription AS s SET status = 'canceled', canceled_at = c.period_start
      FROM unnest(completions) AS c JOIN orders_order o ON o.id = c.order_id
     WHERE s.organization_id = o.organization_id AND NOT (s.status IN ('canceled', 'incomplete_expired'))
    RETURNING s.id, s.stripe_subscription_id
  ), voided AS (  -- unpaid months of the ended subscription; LATERAL with OFFSET 0, because a join reads all invoices
    UPDATE billing_invoice SET status = 'void'
     WHERE id = ANY (ARRAY(SELECT i.id FROM ended CROSS JOIN LATERAL (
             SELECT j.id FROM billing_invoice j
              WHERE j.subscription_id = ended.id AND j.stripe_invoice_id = '' AND j.status IN ('draft', 'open')
             OFFSET 0) AS i))
  )
  SELECT procrastinate_defer_jobs_v1(array_agg(ROW(
           'payments', 'cancel_stripe_subscription', 0, NULL, NULL,
           jsonb_build_object('subscription_id', ended.stripe_subscription_id), NULL)::procrastinate_job_to_defer_v1))
    INTO deferred
    FROM ended WHERE ended.stripe_subscription_id <> '' HAVING count(*) > 0;

  WITH started AS (
    INSERT INTO billing_subscription (customer_id, organization_id, order_id, plan_id, addon_ids, amount_minor, currency,
                                      status, paid_by, stripe_subscription_id, current_period_start, current_period_end)
    SELECT o.customer_id, o.organization_id, o.id, o.plan_id,
           (SELECT coalesce(jsonb_agg(l.item_id ORDER BY l.item_id), '[]') FROM orders_orderline l
             WHERE l.order_id = o.id AND l.kind = 'addon'),
           o.total_minor, o.currency, 'active', c.paid_by, c.stripe_subscription, c.period_start, c.period_end
      FROM unnest(completions) AS c JOIN orders_order o ON o.id = c.order_id
    RETURNING id, customer_id, organization_id, order_id, amount_minor, currency, current_period_start,
              current_period_end
  )
  INSERT INTO billing_invoice (customer_id, organization_id, subscription_id, order_id, amount_minor, currency, status,
                               stripe_invoice_id, period_start, period_end)
  SELECT s.customer_id, s.organization_id, s.id, s.order_id, s.amount_minor, s.currency, 'paid', c.stripe_invoice,
         s.current_period_start, s.current_period_end
    FROM started s JOIN unnest(completions) AS c ON c.order_id = s.order_id;

  INSERT INTO orders_outboxevent (type, topic, source, tenant_id, order_id, data, metadata, created_at)
  SELECT 'order.placed', 'sme.order.events', 'qasima', o.organization_id, o.id,
         jsonb_build_object(
           'id', o.id, 'customer_id', u.user_id, 'tenant_id', o.organization_id, 'plan_id', o.plan_id, 'apps', o.apps,
           'addons', o.addons, 'amount_minor', o.total_minor, 'currency', o.currency, 'status', 'completed',
           'subdomain', t.slug)
         || CASE o.currency  -- existing clients read these two while the currency is OMR
              WHEN 'OMR' THEN jsonb_build_object('amount_omr', trim_scale(o.total_minor / 1000.0),
                                                 'amount_baisa', o.total_minor)
              ELSE '{}' END,
         '{}', c.period_start
    FROM unnest(completions) AS c
    JOIN orders_order o ON o.id = c.order_id
    JOIN billing_customer u ON u.id = o.customer_id
    JOIN billing_organization t ON t.id = o.organization_id;

  PERFORM procrastinate_defer_jobs_v1(array_agg(job))
     FROM unnest(completions) AS c
     JOIN orders_order o ON o.id = c.order_id
    CROSS JOIN LATERAL (VALUES
            (ROW('provisioning', 'provision_organization', 0, 'organization:' || o.organization_id, NULL,
                 jsonb_build_object('order_id', o.id), NULL)::procrastinate_job_to_defer_v1),
            (ROW('mail', 'send_mail', 0, NULL, NULL,
                 jsonb_build_object('mail', 'payment_received', 'subject_id', o.id, 'event_id', ''),
                 NULL)::procrastinate_job_to_defer_v1)) AS jobs(job);
END $$;

-- Returns whether this would be the customer's first order: no other one was bought, or awaits its payment. An order of the
-- same organization that awaits its payment does not count, because a new order takes its place.
CREATE OR REPLACE FUNCTION orders_is_first_order(customer bigint, organization uuid) RETURNS boolean
SET enable_seqscan = off LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT FROM orders_order o WHERE o.customer_id = customer AND o.kind = 'purchase'
                        AND (o.status IN ('completed', 'refunded')
                             OR o.status = 'pending' AND o.organization_id <> organization))
$$;

-- Places the orders of a batch of requests that arrived together, or of one request: those that credit covers now.
-- Returns the orders that it placed, with the balance after each. For the other requests it does nothing: their callers
-- find out why, and may retry. So no request can make another one fail or wait.
--
-- wait: whether to wait for an account or an organization that another transaction has locked. A batch does not wait, and
-- leaves an order that replaces a subscription to be placed alone, because its row may be locked too; and one of a
-- customer with a new address, because Python stores that before the account is locked.
--
-- Locks: accounts, campaigns and codes (shared), the catalog (shared), organizations, counters last. Locks taken with SKIP
-- LOCKED need no order.
-- A separate statement locks the accounts, so that the next one sees what others committed before it.
--
-- Raises promos_promocode_exhausted or promos_campaign_budget_exhausted, for all requests, where others took the slots or
-- the budget between the count and the claim.
CREATE OR REPLACE FUNCTION orders_place_orders(requests jsonb, wait boolean) RETURNS SETOF orders_placed_order
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  new_orders orders_new_order[] := ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::orders_new_order, requests) AS r);
  locked bigint[];
  texts text[];
  codes uuid[];
  cards promos_found_code[];
  accepted orders_new_order[];
  redemptions promos_redemption_to_write[];
  written promos_written_redemption[];
  placed orders_placed_order[];
  unused_minor bigint := 0;  -- of the replaced subscription's month: credit that this same order may use
BEGIN
  IF NOT wait THEN
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  locked := billing_lock_accounts(ARRAY(SELECT r."user" FROM unnest(new_orders) AS r), wait);
  IF wait THEN  -- races with the deletion and the provisioning of the organization
    PERFORM FROM billing_organization
      WHERE id = ANY (ARRAY(SELECT r.organization FROM unnest(new_orders) AS r))
      ORDER BY id FOR NO KEY UPDATE;
    IF new_orders[1].proration IS NOT NULL THEN  -- one request, which replaces a subscription
      PERFORM FROM billing_subscription  -- races with its renewal, and with its end
        WHERE id = new_orders[1].replaces FOR NO KEY UPDATE;
      unused_minor := orders_unused_minor(new_orders[1].replaces, new_orders[1].at);
    END IF;
  END IF;
  texts := ARRAY(SELECT DISTINCT r.code FROM unnest(new_orders) AS r WHERE r.code <> '');
  codes := promos_lock_codes(texts, wait);
  IF cardinality(codes) < cardinality(texts) THEN
    cards := promos_find_cards(texts);
    codes := codes || promos_lock_codes(ARRAY(SELECT DISTINCT f.code FROM unnest(cards) AS f), wait);
  END IF;

  -- Races with the removal of a catalog item (change_catalog.py), which waits for the orders that are in flight.
  PERFORM pg_advisory_xact_lock_shared(orders_catalog_lock_key());

  -- The orders that may be placed now. For each condition, Python has a refusal that names it (checkout_context.py).
  WITH eligible AS MATERIALIZED (
    SELECT r AS request, r.id, c.id AS customer, p.id AS promo, f.card, p.max_redemptions, p.credit_minor,
           p.campaign_id AS campaign
      FROM unnest(new_orders) AS r
      JOIN orders_catalogversion v ON v.id = 1 AND v.version = r.catalog
      JOIN billing_customer c ON c.user_id = r."user" AND c.id = ANY (locked)
      JOIN billing_account a ON a.customer_id = c.id
      JOIN billing_organization o ON o.id = r.organization AND o.customer_id = c.id AND o.status <> 'deleted'
            AND NOT o.suspended_by_staff
      LEFT JOIN billing_subscription s ON s.organization_id = o.id
            AND NOT (s.status IN ('canceled', 'incomplete_expired'))
      LEFT JOIN unnest(cards) AS f ON f.text = r.code
      LEFT JOIN LATERAL promos_range_of(f.card) AS of_card ON true
      LEFT JOIN (promos_promocode p JOIN promos_campaign g ON g.id = p.campaign_id)
        ON p.code = coalesce(f.code, r.code) AND p.for_cards = (f.card IS NOT NULL) AND p.id = ANY (codes)
       AND promos_is_card_redeemable(p, g, of_card, r.at)
      -- LIMIT 1 reads one row by index. NOT EXISTS would read all redemptions of the code, and all keys.
      LEFT JOIN LATERAL (SELECT d.id FROM orders_order d
                          WHERE d.organization_id = o.id AND d.status = 'pending' LIMIT 1) AS open ON true
      LEFT JOIN LATERAL (SELECT d.id FROM promos_redemption d
                          WHERE f.card IS NULL AND d.card_serial IS NULL AND d.use_number IS NULL
                            AND d.promo_code_id = p.id AND d.customer_id = c.id
                            AND d.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
      LEFT JOIN LATERAL (SELECT d.id FROM promos_redemption d
                          WHERE d.card_serial = f.card AND d.status IN ('reserved', 'confirmed')
                          LIMIT 1) AS used ON f.card IS NOT NULL
      LEFT JOIN LATERAL (SELECT k.key FROM billing_idempotencykey k
                          WHERE k.customer_id = c.id AND k.key = r.key AND k.expires_at > r.at
                          LIMIT 1) AS answered ON true
     WHERE (r.code = '' OR p.id IS NOT NULL)
       AND (p.restrictions IS NULL AND g.restrictions IS NULL OR promos_find_broken_restriction(
              p.id, c.id, c.user_id, c.email, ROW(r.total, r.plan, r.addons, orders_is_first_order(c.id, o.id)), r.at) IS NULL)
       AND a.balance_minor - a.held_minor + coalesce(p.credit_minor, 0) + unused_minor >= r.total
       AND s.id IS NOT DISTINCT FROM r.replaces AND (r.replaces IS NULL OR wait)
       AND (coalesce(r.email, '') IN ('', c.email) OR wait)
       AND open.id IS NULL AND used.id IS NULL AND answered.key IS NULL
       AND (live.id IS NULL OR promos_allow_repeats(p.restrictions))
       FOR NO KEY UPDATE OF o SKIP LOCKED
  ), ranked AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.promo ORDER BY (e.request).at, e.id) AS of_code,
           row_number() OVER (PARTITION BY e.customer ORDER BY (e.request).at, e.id) AS of_customer,
           sum(e.credit_minor) OVER (PARTITION BY e.campaign ORDER BY (e.request).at, e.id) AS of_campaign
      FROM eligible e
  ), room AS MATERIALIZED (
    SELECT n.promo_code_id, sum(n.quota - n.used) AS free FROM promos_promocounter n
     WHERE n.promo_code_id = ANY (ARRAY(SELECT DISTINCT e.promo FROM eligible e WHERE e.max_redemptions > 0))
     GROUP BY n.promo_code_id
  ), budget AS MATERIALIZED (  -- of campaigns that have one
    SELECT n.campaign_id, sum(n.quota - n.used) AS free FROM promos_budgetcounter n
     WHERE n.campaign_id = ANY (ARRAY(SELECT DISTINCT e.campaign FROM eligible e
                                       WHERE e.campaign <> promos_default_campaign()))
     GROUP BY n.campaign_id
  )
  SELECT array_agg(jsonb_populate_record(r.request, jsonb_build_object('customer', r.customer, 'promo', r.promo))),
         array_agg(ROW((r.request).redemption, (r.request).entry, r.promo, r.card, r.customer, r.id, '',
                       ROW((r.request)."user", (r.request).role, (r.request).channel,
                           (r.request).address)::billing_actor,
                       (r.request).at)::promos_redemption_to_write) FILTER (WHERE r.promo IS NOT NULL)
    INTO accepted, redemptions
    FROM ranked r LEFT JOIN room ON room.promo_code_id = r.promo LEFT JOIN budget ON budget.campaign_id = r.campaign
   WHERE r.of_customer = 1 AND (coalesce(r.max_redemptions, 0) = 0 OR r.of_code <= room.free)
     AND (budget.free IS NULL OR r.of_campaign <= budget.free);
  IF accepted IS NULL THEN RETURN; END IF;

  IF redemptions IS NOT NULL THEN
    written := promos_write_redemptions(redemptions, 'confirmed');
    IF cardinality(written) IS DISTINCT FROM cardinality(redemptions) THEN
      RAISE check_violation USING CONSTRAINT = 'orders_place_orders_redeems_each_code',
        MESSAGE = 'a code that an order names was not redeemed';
    END IF;
  END IF;
  IF unused_minor > 0 THEN
    INSERT INTO billing_dated_grants
    SELECT array_agg(ROW(r.proration, r.customer, unused_minor, 'proration:' || r.replaces, '', r.id,
                         NULL, ROW(r."user", r.role, r.channel, r.address)::billing_actor, 'sold',
                         NULL)::billing_dated_grant)
      FROM unnest(accepted) AS r;
  END IF;
  PERFORM orders_write_orders(accepted, 'completed');
  WITH spent AS (
    INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, order_id, actor_id, actor_role, channel,
                                     address)
    SELECT r.customer, 'spend', -r.total, 'order-payment', r.id, r."user", r.role, r.channel, r.address
      FROM unnest(accepted) AS r WHERE r.total > 0
    RETURNING order_id, balance_after_minor
  )
  SELECT array_agg(ROW(r.id, coalesce(spent.balance_after_minor, a.balance_minor))::orders_placed_order) INTO placed
    FROM unnest(accepted) AS r
    JOIN billing_account a ON a.customer_id = r.customer
    LEFT JOIN spent ON spent.order_id = r.id;
  PERFORM orders_complete_orders((
    SELECT array_agg(ROW(r.id, 'credit', '', '', r.at, r.period_end)::orders_completion) FROM unnest(accepted) AS r));
  PERFORM billing_store_answers(array_agg(ROW(r.customer, r.key, r.hash, r.id, p.balance, '', r.at,
                                              r.key_expires_at)::billing_answer))
     FROM unnest(accepted) AS r JOIN unnest(placed) AS p ON p.id = r.id
    WHERE r.key IS NOT NULL HAVING count(*) > 0;
  PERFORM promos_claim_slots_of_redemptions(written);
  RETURN QUERY SELECT * FROM unnest(placed);
END $$;
