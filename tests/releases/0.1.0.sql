-- The database of release 0.1.0, written by: python -m tests.releases 0.1.0

SET check_function_bodies = false;
CREATE TYPE public.billing_actor AS (
	user_id text,
	role text,
	channel text,
	address inet
);
CREATE TYPE public.billing_answer AS (
	customer bigint,
	key text,
	hash text,
	result uuid,
	balance bigint,
	session_url text,
	at timestamp with time zone,
	expires_at timestamp with time zone
);
CREATE TYPE public.billing_grant AS (
	entry uuid,
	account_id bigint,
	amount_minor bigint,
	reason text,
	note text,
	order_id uuid,
	redemption_id uuid,
	actor public.billing_actor
);
CREATE TYPE public.orders_completion AS (
	order_id uuid,
	paid_by text,
	stripe_subscription text,
	stripe_invoice text,
	period_start timestamp with time zone,
	period_end timestamp with time zone
);
CREATE TYPE public.orders_new_order AS (
	id uuid,
	organization uuid,
	plan uuid,
	apps jsonb,
	addons jsonb,
	lines jsonb,
	total bigint,
	credit_applied bigint,
	currency text,
	replaces uuid,
	renews uuid,
	period_start timestamp with time zone,
	period_end timestamp with time zone,
	code text,
	redemption uuid,
	entry uuid,
	catalog uuid,
	key text,
	hash text,
	key_expires_at timestamp with time zone,
	"user" text,
	role text,
	channel text,
	address inet,
	at timestamp with time zone,
	customer bigint,
	promo uuid
);
CREATE TYPE public.orders_placed_order AS (
	id uuid,
	balance bigint
);
CREATE TYPE public.promos_new_redemption AS (
	id uuid,
	entry uuid,
	promo uuid,
	customer bigint,
	for_order uuid,
	note text,
	actor public.billing_actor,
	at timestamp with time zone
);
CREATE TYPE public.promos_written_redemption AS (
	id uuid,
	promo uuid,
	customer bigint,
	for_order uuid,
	credit bigint,
	capped boolean,
	hot boolean
);
CREATE FUNCTION public.billing_apply_hold() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'active' THEN
      RAISE check_violation USING CONSTRAINT = 'billing_hold_starts_active', MESSAGE = 'a hold starts active';
    END IF;
    UPDATE billing_account SET held_minor = held_minor + NEW.amount_minor WHERE customer_id = NEW.account_id;
    RETURN NEW;
  END IF;
  IF OLD.status <> 'active' OR NEW.status = 'active'
     OR (NEW.id, NEW.account_id, NEW.order_id, NEW.amount_minor)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.order_id, OLD.amount_minor) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_hold_closes_once',
      MESSAGE = 'a hold changes once: from active to captured or released';
  END IF;
  UPDATE billing_account SET held_minor = held_minor - OLD.amount_minor WHERE customer_id = OLD.account_id;
  RETURN NEW;
END $$;
CREATE FUNCTION public.billing_check_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF format('%s > %s', OLD.status, NEW.status) = ANY (TG_ARGV) THEN
    RETURN NEW;
  END IF;
  RAISE check_violation USING CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
    MESSAGE = format('a row of %s cannot go from %s to %s', TG_TABLE_NAME, OLD.status, NEW.status);
END $$;
CREATE FUNCTION public.billing_grant_many(users text[], amount bigint, why_reason text, why_note text, money text, by_actor public.billing_actor) RETURNS TABLE(grantee text, entry uuid)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  customers bigint[];
  made uuid[];
  made_for bigint[];
BEGIN
  PERFORM billing_make_customers(users, money);
  customers := billing_lock_accounts(users, true);
  WITH asked AS MATERIALIZED (
    SELECT customer, billing_uuid7() AS id
      FROM unnest(customers) AS customer
      LEFT JOIN LATERAL (SELECT e.id FROM billing_ledgerentry e
                          WHERE e.account_id = customer AND e.reason = why_reason
                            AND e.kind = 'grant' AND e.reason LIKE 'grant:%' LIMIT 1) AS earlier ON true
     WHERE earlier.id IS NULL
  ), granted AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(id, customer, amount, why_reason, why_note, NULL, NULL, by_actor)::billing_grant) FROM asked
    HAVING count(*) > 0)
  SELECT array_agg(id), array_agg(customer) INTO made, made_for FROM asked;
  RETURN QUERY
    SELECT c.user_id::text, mine.id
      FROM unnest(made, made_for) AS mine(id, customer_id) JOIN billing_customer c ON c.id = mine.customer_id;
END $$;
CREATE FUNCTION public.billing_lock_accounts(users text[], wait boolean) RETURNS bigint[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  IF wait THEN
    RETURN ARRAY(SELECT a.customer_id FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id
                  WHERE c.user_id = ANY (users) ORDER BY a.customer_id FOR NO KEY UPDATE OF a);
  END IF;
  RETURN ARRAY(SELECT a.customer_id FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id
                WHERE c.user_id = ANY (users) FOR NO KEY UPDATE OF a SKIP LOCKED);
END $$;
CREATE FUNCTION public.billing_make_customers(users text[], money text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO billing_customer (user_id)
  SELECT asked.user_id FROM unnest(users) AS asked(user_id)
   WHERE NOT EXISTS (SELECT FROM billing_customer c WHERE c.user_id = asked.user_id)
   ORDER BY asked.user_id
      ON CONFLICT (user_id) DO NOTHING;
  INSERT INTO billing_account (customer_id, currency)
  SELECT c.id, money FROM billing_customer c
   WHERE c.user_id = ANY (users) AND NOT EXISTS (SELECT FROM billing_account a WHERE a.customer_id = c.id)
   ORDER BY c.id
      ON CONFLICT (customer_id) DO NOTHING;
END $$;
CREATE FUNCTION public.billing_post_entry() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  original record;
BEGIN
  IF NEW.reverses_id IS NOT NULL THEN
    SELECT account_id, amount_minor, kind INTO original FROM billing_ledgerentry WHERE id = NEW.reverses_id;
    IF original.account_id IS DISTINCT FROM NEW.account_id
       OR original.amount_minor IS DISTINCT FROM -NEW.amount_minor
       OR original.kind = 'reversal' THEN
      RAISE check_violation USING CONSTRAINT = 'billing_ledgerentry_reversal_mirrors_entry',
        MESSAGE = 'a reversal undoes exactly one entry of its own account, which is no reversal itself';
    END IF;
  END IF;
  -- billing_post_grants moves the account itself. What a client gives as version or balance is overwritten.
  IF NEW.version = 0 OR pg_trigger_depth() = 1 THEN
    UPDATE billing_account
       SET balance_minor = balance_minor + NEW.amount_minor, version = version + 1
     WHERE customer_id = NEW.account_id
    RETURNING version, balance_minor INTO NEW.version, NEW.balance_after_minor;
    -- The foreign key is checked later than this, and would name no account either.
    IF NOT FOUND THEN
      RAISE foreign_key_violation USING CONSTRAINT = 'billing_ledgerentry_account_exists',
        MESSAGE = 'a ledger entry needs an account';
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION public.billing_post_grants() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  posted bigint;
BEGIN
  WITH moved AS (
    UPDATE billing_account a SET balance_minor = a.balance_minor + g.amount_minor, version = a.version + 1
      FROM unnest(NEW.grants) AS g WHERE a.customer_id = g.account_id
    RETURNING g.*, a.version, a.balance_minor)
  INSERT INTO billing_ledgerentry (id, account_id, version, kind, amount_minor, balance_after_minor, reason, note,
                                   order_id, redemption_id, actor_id, actor_role, channel, address)
  SELECT entry, account_id, version, 'grant', amount_minor, balance_minor, reason, note, order_id, redemption_id,
         (actor).user_id, (actor).role, (actor).channel, (actor).address FROM moved;
  GET DIAGNOSTICS posted = ROW_COUNT;
  IF posted <> cardinality(NEW.grants) THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'billing_grants_account_each',
      MESSAGE = 'each grant of a statement needs an account, and another one than the others';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION public.billing_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE restrict_violation USING CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
    MESSAGE = format('%s of %s is refused: %s', TG_OP, TG_TABLE_NAME, TG_ARGV[0]);
END $$;
CREATE FUNCTION public.billing_store_answers(answers public.billing_answer[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  stored bigint;
BEGIN
  INSERT INTO billing_idempotencykey AS k (customer_id, key, request_hash, result_id, balance_after_minor, session_url,
                                           created_at, expires_at)
  SELECT a.customer, a.key, a.hash, a.result, a.balance, a.session_url, a.at, a.expires_at FROM unnest(answers) AS a
      ON CONFLICT ON CONSTRAINT billing_idempotencykey_once DO UPDATE
     SET request_hash = excluded.request_hash, result_id = excluded.result_id,
         balance_after_minor = excluded.balance_after_minor, session_url = excluded.session_url,
         created_at = excluded.created_at, expires_at = excluded.expires_at
   WHERE k.expires_at <= excluded.created_at;
  GET DIAGNOSTICS stored = ROW_COUNT;
  IF stored < cardinality(answers) THEN
    RAISE unique_violation USING CONSTRAINT = 'billing_idempotencykey_once',
      MESSAGE = 'a key has a live answer already';
  END IF;
END $$;
CREATE FUNCTION public.billing_uuid7() RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
           PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
         52, 1), 53, 1), 'hex')::uuid
$$;
CREATE FUNCTION public.orders_catalog_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO orders_catalogversion (id, version) VALUES (1, gen_random_uuid())
      ON CONFLICT (id) DO UPDATE SET version = excluded.version;
  RETURN NULL;
END $$;
CREATE FUNCTION public.orders_complete_orders(completions public.orders_completion[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  deferred bigint[];
BEGIN
  UPDATE billing_organization AS t
     SET plan_id = o.plan_id, apps = o.apps, addons = o.addons,
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
           'default', 'cancel_stripe_subscription', 0, NULL, NULL,
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
            (ROW('default', 'provision_organization', 0, 'organization:' || o.organization_id, NULL,
                 jsonb_build_object('order_id', o.id), NULL)::procrastinate_job_to_defer_v1),
            (ROW('default', 'send_mail', 0, NULL, NULL,
                 jsonb_build_object('mail', 'payment_received', 'subject_id', o.id, 'event_id', ''),
                 NULL)::procrastinate_job_to_defer_v1)) AS jobs(job);
END $$;
CREATE FUNCTION public.orders_place_orders(requests jsonb, wait boolean) RETURNS SETOF public.orders_placed_order
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  locked bigint[];
  codes uuid[];
  accepted orders_new_order[];
  redemptions promos_new_redemption[];
  written promos_written_redemption[];
  placed orders_placed_order[];
BEGIN
  IF NOT wait THEN
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  locked := billing_lock_accounts(ARRAY(SELECT r->>'user' FROM jsonb_array_elements(requests) AS r), wait);
  IF wait THEN  -- races with the deletion and the provisioning of the organization
    PERFORM FROM billing_organization
      WHERE id = ANY (ARRAY(SELECT (r->>'organization')::uuid FROM jsonb_array_elements(requests) AS r))
      ORDER BY id FOR NO KEY UPDATE;
  END IF;
  codes := promos_lock_codes(ARRAY(SELECT DISTINCT r->>'code' FROM jsonb_array_elements(requests) AS r
                                    WHERE r->>'code' <> ''), wait);

  -- The orders that may be placed now. For each condition, Python has a refusal that names it (checkout_context.py).
  WITH eligible AS MATERIALIZED (
    SELECT r AS request, r.id, c.id AS customer, p.id AS promo, p.max_redemptions
      FROM jsonb_populate_recordset(NULL::orders_new_order, requests) AS r
      JOIN orders_catalogversion v ON v.id = 1 AND v.version = r.catalog
      JOIN billing_customer c ON c.user_id = r."user" AND c.id = ANY (locked)
      JOIN billing_account a ON a.customer_id = c.id
      JOIN billing_organization o ON o.id = r.organization AND o.customer_id = c.id AND o.status <> 'deleted'
      LEFT JOIN billing_subscription s ON s.organization_id = o.id
            AND NOT (s.status IN ('canceled', 'incomplete_expired'))
      LEFT JOIN promos_promocode p ON p.code = r.code AND p.id = ANY (codes) AND promos_is_redeemable(p, r.at)
      -- LIMIT 1 reads one row by index. NOT EXISTS would read all redemptions of the code, and all keys.
      LEFT JOIN LATERAL (SELECT d.id FROM orders_order d
                          WHERE d.organization_id = o.id AND d.status = 'pending' LIMIT 1) AS open ON true
      LEFT JOIN LATERAL (SELECT d.id FROM promos_redemption d
                          WHERE d.promo_code_id = p.id AND d.customer_id = c.id
                            AND d.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
      LEFT JOIN LATERAL (SELECT k.key FROM billing_idempotencykey k
                          WHERE k.customer_id = c.id AND k.key = r.key AND k.expires_at > r.at
                          LIMIT 1) AS answered ON true
     WHERE (r.code = '' OR p.id IS NOT NULL)
       AND a.balance_minor - a.held_minor + coalesce(p.credit_minor, 0) >= r.total
       AND s.id IS NOT DISTINCT FROM r.replaces AND (r.replaces IS NULL OR wait)
       AND open.id IS NULL AND live.id IS NULL AND answered.key IS NULL
       FOR NO KEY UPDATE OF o SKIP LOCKED
  ), ranked AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.promo ORDER BY (e.request).at, e.id) AS of_code,
           row_number() OVER (PARTITION BY e.customer ORDER BY (e.request).at, e.id) AS of_customer
      FROM eligible e
  ), room AS MATERIALIZED (
    SELECT n.promo_code_id, sum(n.quota - n.used) AS free FROM promos_promocounter n
     WHERE n.promo_code_id = ANY (ARRAY(SELECT DISTINCT e.promo FROM eligible e WHERE e.max_redemptions > 0))
     GROUP BY n.promo_code_id
  )
  SELECT array_agg(jsonb_populate_record(r.request, jsonb_build_object('customer', r.customer, 'promo', r.promo))),
         array_agg(ROW((r.request).redemption, (r.request).entry, r.promo, r.customer, r.id, '',
                       ROW((r.request)."user", (r.request).role, (r.request).channel,
                           (r.request).address)::billing_actor,
                       (r.request).at)::promos_new_redemption) FILTER (WHERE r.promo IS NOT NULL)
    INTO accepted, redemptions
    FROM ranked r LEFT JOIN room ON room.promo_code_id = r.promo
   WHERE r.of_customer = 1 AND (coalesce(r.max_redemptions, 0) = 0 OR r.of_code <= room.free);
  IF accepted IS NULL THEN RETURN; END IF;

  IF redemptions IS NOT NULL THEN
    written := promos_write_redemptions(redemptions, 'confirmed');
    IF cardinality(written) IS DISTINCT FROM cardinality(redemptions) THEN
      RAISE check_violation USING CONSTRAINT = 'orders_place_orders_redeems_each_code',
        MESSAGE = 'a code that an order names was not redeemed';
    END IF;
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
  PERFORM promos_claim_slots_of(written);
  RETURN QUERY SELECT * FROM unnest(placed);
END $$;
CREATE FUNCTION public.orders_write_orders(orders public.orders_new_order[], as_status text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO orders_order (id, customer_id, organization_id, plan_id, apps, addons, total_minor, credit_applied_minor,
                            currency, status, kind, renews_id, period_start, promo_code_id, promo_code, placed_by,
                            placed_by_role, channel, address, created_at, completed_at)
  SELECT o.id, o.customer, o.organization, o.plan, o.apps, o.addons, o.total, o.credit_applied,
         o.currency, as_status, CASE WHEN o.renews IS NULL THEN 'purchase' ELSE 'renewal' END, o.renews,
         o.period_start, o.promo, CASE WHEN o.promo IS NULL THEN '' ELSE o.code END, o."user",
         o.role, o.channel, o.address, o.at, CASE WHEN as_status = 'completed' THEN o.at END
    FROM unnest(orders) AS o;
  INSERT INTO orders_orderline (order_id, position, kind, item_id, slug, name, price_minor)
  SELECT o.id, line.ordinality, item->>'kind', (item->>'item_id')::uuid, item->>'slug', item->>'name',
         (item->>'price_minor')::bigint
    FROM unnest(orders) AS o CROSS JOIN jsonb_array_elements(o.lines) WITH ORDINALITY AS line(item, ordinality);
END $$;
CREATE FUNCTION public.promos_check_references() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
BEGIN
  IF EXISTS (SELECT FROM made LEFT JOIN promos_promocode p ON p.id = made.promo_code_id WHERE p.id IS NULL) THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_promo_code_exists',
      MESSAGE = 'a redemption needs a promo code';
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION public.promos_claim_slots(promo uuid, wanted bigint, hot boolean) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  IF NOT hot THEN
    UPDATE promos_promocounter SET used = used + wanted WHERE promo_code_id = promo AND used + wanted <= quota;
    RETURN FOUND;
  END IF;
  BEGIN
    UPDATE promos_promocounter SET used = used + wanted
     WHERE id = (SELECT id FROM promos_promocounter WHERE promo_code_id = promo AND used + wanted <= quota
                  LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN RETURN true; END IF;
    RAISE SQLSTATE 'QA000';
  EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
  END;
  PERFORM FROM promos_promocounter WHERE promo_code_id = promo ORDER BY id FOR NO KEY UPDATE;
  UPDATE promos_promocounter AS n
     SET used = n.used + div(wanted * room.up_to_here, room.total) - div(wanted * room.before, room.total)
    FROM (SELECT id, sum(quota - used) OVER (ORDER BY id) AS up_to_here,
                 sum(quota - used) OVER (ORDER BY id) - (quota - used) AS before,
                 sum(quota - used) OVER () AS total
            FROM promos_promocounter WHERE promo_code_id = promo) AS room
   WHERE n.id = room.id AND room.total >= wanted AND room.total > 0;
  RETURN FOUND;
END $$;
CREATE FUNCTION public.promos_claim_slots_of(written public.promos_written_redemption[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  claim record;
BEGIN
  FOR claim IN SELECT w.promo, count(*) AS slots, bool_or(w.hot) AS hot FROM unnest(written) AS w
                WHERE w.capped GROUP BY w.promo ORDER BY w.promo LOOP
    IF NOT promos_claim_slots(claim.promo, claim.slots, claim.hot) THEN
      RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every slot is taken';
    END IF;
  END LOOP;
END $$;
CREATE TABLE public.promos_promocode (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    code character varying(64) NOT NULL,
    credit_minor bigint NOT NULL,
    currency character varying(3) NOT NULL,
    description character varying(500) DEFAULT ''::character varying NOT NULL,
    active boolean DEFAULT true NOT NULL,
    max_redemptions bigint DEFAULT 0 NOT NULL,
    hot boolean DEFAULT false NOT NULL,
    starts_at timestamp with time zone,
    expires_at timestamp with time zone,
    retired_at timestamp with time zone,
    issued_by character varying(255) NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT promos_promocode_cap_not_negative CHECK ((max_redemptions >= 0)),
    CONSTRAINT promos_promocode_code_form CHECK (((code)::text ~ '^[A-Z0-9_-]{3,64}$'::text)),
    CONSTRAINT promos_promocode_credit_positive CHECK ((credit_minor > 0)),
    CONSTRAINT promos_promocode_window_forward CHECK (((starts_at IS NULL) OR (expires_at IS NULL) OR (starts_at < expires_at)))
);
CREATE FUNCTION public.promos_is_redeemable(p public.promos_promocode, as_of timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT p.active AND p.retired_at IS NULL
     AND (p.starts_at IS NULL OR p.starts_at <= as_of) AND (p.expires_at IS NULL OR as_of < p.expires_at)
$$;
CREATE FUNCTION public.promos_lock_codes(codes text[], wait boolean) RETURNS uuid[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  ids uuid[];
BEGIN
  ids := ARRAY(SELECT p.id FROM promos_promocode p WHERE p.code = ANY (codes) ORDER BY p.id);
  IF wait THEN
    PERFORM pg_advisory_xact_lock_shared(promos_lock_key(id)) FROM unnest(ids) AS id;
    RETURN ids;
  END IF;
  RETURN ARRAY(SELECT id FROM unnest(ids) AS id WHERE pg_try_advisory_xact_lock_shared(promos_lock_key(id)));
END $$;
CREATE FUNCTION public.promos_lock_key(promo uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT hashtextextended('promos_promocode:' || promo, 0) $$;
CREATE FUNCTION public.promos_redeem(requests jsonb, wait boolean) RETURNS SETOF public.promos_written_redemption
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $_$
DECLARE
  codes uuid[];
  wanted promos_new_redemption[];
  written promos_written_redemption[];
BEGIN
  IF wait THEN
    PERFORM billing_lock_accounts(ARRAY(SELECT r->>'user' FROM jsonb_array_elements(requests) AS r), true);
  ELSE
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  codes := promos_lock_codes(ARRAY(SELECT DISTINCT r->>'code' FROM jsonb_array_elements(requests) AS r), wait);
  WITH eligible AS MATERIALIZED (
    SELECT r.*, p.id AS promo, p.max_redemptions, a.customer_id AS customer
      FROM ROWS FROM (jsonb_to_recordset(requests) AS (
             redemption uuid, entry uuid, code text, "user" text, email text, note text, actor text, role text,
             channel text, address inet, now timestamptz, key text)) WITH ORDINALITY
           AS r(redemption, entry, code, user_id, email, note, actor, role, channel, address, at, key, number)
      JOIN promos_promocode p ON p.code = r.code AND p.id = ANY (codes)
      JOIN billing_customer c ON c.user_id = r.user_id AND r.email IN ('', c.email)
      JOIN billing_account a ON a.customer_id = c.id
      -- LIMIT 1 reads one row by index. A join would read all redemptions of the code, and all keys.
      LEFT JOIN LATERAL (SELECT o.id FROM promos_redemption o
                          WHERE o.promo_code_id = p.id AND o.customer_id = c.id
                            AND o.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
      LEFT JOIN LATERAL (SELECT k.id FROM billing_idempotencykey k
                          WHERE k.customer_id = c.id AND k.key = r.key AND k.expires_at > r.at
                          LIMIT 1) AS answered ON true
     WHERE live.id IS NULL AND answered.id IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED
  ), ranked AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.promo ORDER BY e.number) AS of_code,
           row_number() OVER (PARTITION BY e.customer ORDER BY e.number) AS of_customer
      FROM eligible e
  ), room AS MATERIALIZED (
    SELECT n.promo_code_id, sum(n.quota - n.used) AS free FROM promos_promocounter n
     WHERE n.promo_code_id = ANY (ARRAY(SELECT DISTINCT e.promo FROM eligible e WHERE e.max_redemptions > 0))
     GROUP BY n.promo_code_id
  )
  SELECT array_agg(ROW(r.redemption, r.entry, r.promo, r.customer, NULL, r.note,
                       ROW(r.actor, r.role, r.channel, r.address)::billing_actor, r.at)::promos_new_redemption)
    INTO wanted
    FROM ranked r LEFT JOIN room ON room.promo_code_id = r.promo
   WHERE r.of_customer = 1 AND (r.max_redemptions = 0 OR r.of_code <= room.free);
  written := promos_write_redemptions(wanted, 'confirmed');
  IF jsonb_path_exists(requests, '$[*].key') THEN
    PERFORM billing_store_answers(array_agg(ROW(w.customer, r.key, r.hash, w.id, a.balance_minor, '', r.now,
                                                r.key_expires_at)::billing_answer))
       FROM unnest(written) AS w
       JOIN jsonb_to_recordset(requests) AS r(redemption uuid, key text, hash text, now timestamptz,
                                              key_expires_at timestamptz) ON r.redemption = w.id
       JOIN billing_account a ON a.customer_id = w.customer
      WHERE r.key IS NOT NULL HAVING count(*) > 0;
  END IF;
  PERFORM promos_claim_slots_of(written);
  RETURN QUERY SELECT * FROM unnest(written);
END $_$;
CREATE FUNCTION public.promos_redistribute_counters(promo uuid, cap bigint, counters bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  taken bigint;
BEGIN
  SELECT count(*) INTO taken FROM promos_redemption
   WHERE promo_code_id = promo AND status IN ('reserved', 'confirmed');
  IF cap > 0 AND taken > cap THEN RETURN false; END IF;
  DELETE FROM promos_promocounter WHERE promo_code_id = promo;
  IF cap > 0 THEN
    -- Counter k gets its part of the slots in use and of the free ones; the first counters get one more of each.
    INSERT INTO promos_promocounter (promo_code_id, used, quota)
    SELECT promo, part.used, part.used + (cap - taken) / counters + (k <= (cap - taken) % counters)::int
      FROM generate_series(1, counters) AS k
     CROSS JOIN LATERAL (SELECT taken / counters + (k <= taken % counters)::int AS used) AS part;
  END IF;
  RETURN true;
END $$;
CREATE FUNCTION public.promos_return_slot(promo uuid) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  candidate bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM promos_promocounter WHERE promo_code_id = promo) THEN
    RETURN;  -- an uncapped code counts nothing
  END IF;
  LOOP
    SELECT id INTO candidate FROM promos_promocounter
     WHERE promo_code_id = promo AND used > 0 ORDER BY id LIMIT 1;
    IF NOT FOUND THEN
      RAISE check_violation USING CONSTRAINT = 'promos_promocounter_used_within_quota',
        MESSAGE = 'no slot is in use';
    END IF;
    BEGIN
      UPDATE promos_promocounter SET used = used - 1 WHERE id = candidate AND used > 0;
      IF FOUND THEN RETURN; END IF;
      RAISE SQLSTATE 'QA000';
    EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
    END;
  END LOOP;
END $$;
CREATE FUNCTION public.promos_write_redemptions(wanted public.promos_new_redemption[], as_status text) RETURNS public.promos_written_redemption[]
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  written promos_written_redemption[];
BEGIN
  WITH terms AS MATERIALIZED (
    SELECT w.*, p.code, p.credit_minor, p.max_redemptions > 0 AS capped, p.hot
      FROM unnest(wanted) AS w
      JOIN promos_promocode p ON p.id = w.promo AND promos_is_redeemable(p, w.at)
  ), redeemed AS (
    INSERT INTO promos_redemption AS r (id, promo_code_id, customer_id, order_id, credit_minor, status, reserved_at,
                                        confirmed_at)
    SELECT t.id, t.promo, t.customer, t.for_order, t.credit_minor, as_status, t.at,
           CASE WHEN as_status = 'confirmed' THEN t.at END
      FROM terms t
        ON CONFLICT (promo_code_id, customer_id) WHERE status IN ('reserved', 'confirmed') DO NOTHING
    RETURNING r.id
  ), made AS MATERIALIZED (  -- an expression, so that it is hashed: as a join it is a nested loop over a long list
    SELECT t.* FROM terms t WHERE (t.id IN (SELECT id FROM redeemed)) IS TRUE
  ), granted AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(m.entry, m.customer, m.credit_minor, 'promo:' || m.code, m.note, m.for_order, m.id,
                         m.actor)::billing_grant)
      FROM made m WHERE as_status = 'confirmed' HAVING count(*) > 0
  )
  SELECT array_agg(ROW(m.id, m.promo, m.customer, m.for_order, m.credit_minor, m.capped,
                       m.hot)::promos_written_redemption) INTO written FROM made m;
  RETURN written;
END $$;
CREATE TABLE public.billing_account (
    customer_id bigint NOT NULL,
    currency character varying(3) NOT NULL,
    balance_minor bigint DEFAULT 0 NOT NULL,
    held_minor bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    CONSTRAINT billing_account_balance_covers_held CHECK ((balance_minor >= held_minor)),
    CONSTRAINT billing_account_held_not_negative CHECK ((held_minor >= 0)),
    CONSTRAINT billing_account_version_not_negative CHECK ((version >= 0))
)
WITH (fillfactor='80', autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_auditentry (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    action character varying(60) NOT NULL,
    object_type character varying(60) NOT NULL,
    object_id character varying(100) NOT NULL,
    changes jsonb NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    actor_id character varying(255) NOT NULL,
    actor_role character varying(20) NOT NULL,
    actor_email character varying(254) DEFAULT ''::character varying NOT NULL,
    channel character varying(10) NOT NULL,
    address inet,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT billing_auditentry_action_given CHECK ((NOT ((action)::text = ''::text))),
    CONSTRAINT billing_auditentry_actor_given CHECK ((NOT ((actor_id)::text = ''::text)))
);
CREATE TABLE public.billing_customer (
    id bigint NOT NULL,
    user_id character varying(255) NOT NULL,
    email character varying(254) DEFAULT ''::character varying NOT NULL,
    stripe_customer_id character varying(255) DEFAULT ''::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT billing_customer_user_id_given CHECK ((NOT ((user_id)::text = ''::text)))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
ALTER TABLE public.billing_customer ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_customer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW public.billing_grants AS
 SELECT NULL::public.billing_grant[] AS grants
  WHERE false;
CREATE TABLE public.billing_hold (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    order_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    status character varying(10) DEFAULT 'active'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    closed_at timestamp with time zone,
    account_id bigint NOT NULL,
    CONSTRAINT billing_hold_amount_positive CHECK ((amount_minor > 0)),
    CONSTRAINT billing_hold_closed_when_not_active CHECK ((((closed_at IS NULL) AND ((status)::text = 'active'::text)) OR ((NOT ((status)::text = 'active'::text)) AND (closed_at IS NOT NULL)))),
    CONSTRAINT billing_hold_status_known CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'captured'::character varying, 'released'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_idempotencykey (
    id bigint NOT NULL,
    key character varying(255) NOT NULL,
    request_hash character varying(64) NOT NULL,
    result_id uuid NOT NULL,
    balance_after_minor bigint,
    session_url text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    customer_id bigint NOT NULL,
    CONSTRAINT billing_idempotencykey_expires_later CHECK ((created_at < expires_at)),
    CONSTRAINT billing_idempotencykey_key_given CHECK ((NOT ((key)::text = ''::text)))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
ALTER TABLE public.billing_idempotencykey ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_idempotencykey_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.billing_installedsql (
    path character varying(200) NOT NULL,
    sha256 character varying(64) NOT NULL
);
CREATE TABLE public.billing_invoice (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    order_id uuid,
    amount_minor bigint NOT NULL,
    currency character varying(3) NOT NULL,
    status character varying(13) NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    stripe_invoice_id character varying(255) DEFAULT ''::character varying NOT NULL,
    pdf_url character varying(2048) DEFAULT ''::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    customer_id bigint NOT NULL,
    organization_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    CONSTRAINT billing_invoice_amount_not_negative CHECK ((amount_minor >= 0)),
    CONSTRAINT billing_invoice_period_forward CHECK ((period_start < period_end)),
    CONSTRAINT billing_invoice_status_known CHECK (((status)::text = ANY ((ARRAY['draft'::character varying, 'open'::character varying, 'paid'::character varying, 'void'::character varying, 'uncollectible'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_ledgerentry (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    kind character varying(10) NOT NULL,
    amount_minor bigint NOT NULL,
    balance_after_minor bigint DEFAULT 0 NOT NULL,
    reason character varying(100) NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    order_id uuid,
    redemption_id uuid,
    actor_id character varying(255) NOT NULL,
    actor_role character varying(20) NOT NULL,
    channel character varying(10) NOT NULL,
    address inet,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    reverses_id uuid,
    account_id bigint NOT NULL,
    CONSTRAINT billing_ledgerentry_actor_given CHECK ((NOT ((actor_id)::text = ''::text))),
    CONSTRAINT billing_ledgerentry_correction_says_why CHECK (((NOT ((kind)::text = ANY ((ARRAY['reversal'::character varying, 'adjustment'::character varying])::text[]))) OR (NOT (note = ''::text)))),
    CONSTRAINT billing_ledgerentry_reason_given CHECK ((NOT ((reason)::text = ''::text))),
    CONSTRAINT billing_ledgerentry_reversal_names_entry CHECK (((((kind)::text = 'reversal'::text) AND (reverses_id IS NOT NULL)) OR ((NOT ((kind)::text = 'reversal'::text)) AND (reverses_id IS NULL)))),
    CONSTRAINT billing_ledgerentry_sign_fits_kind CHECK ((((amount_minor > 0) AND ((kind)::text = 'grant'::text)) OR ((amount_minor < 0) AND ((kind)::text = 'spend'::text)) OR (((kind)::text = ANY ((ARRAY['reversal'::character varying, 'adjustment'::character varying])::text[])) AND (NOT (amount_minor = 0))))),
    CONSTRAINT billing_ledgerentry_spend_names_order CHECK (((NOT ((kind)::text = 'spend'::text)) OR (order_id IS NOT NULL)))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_organization (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    slug character varying(31) NOT NULL,
    name character varying(200) NOT NULL,
    plan_id uuid,
    apps jsonb NOT NULL,
    addons jsonb NOT NULL,
    status character varying(12) DEFAULT 'pending'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    deleted_at timestamp with time zone,
    customer_id bigint NOT NULL,
    CONSTRAINT billing_organization_deleted_at_fits CHECK ((((deleted_at IS NOT NULL) AND ((status)::text = 'deleted'::text)) OR ((NOT ((status)::text = 'deleted'::text)) AND (deleted_at IS NULL)))),
    CONSTRAINT billing_organization_slug_form CHECK (((slug)::text ~ '^[a-z][a-z0-9-]{2,30}$'::text)),
    CONSTRAINT billing_organization_status_known CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'provisioning'::character varying, 'active'::character varying, 'suspended'::character varying, 'deleted'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_processorsettings (
    id smallint NOT NULL,
    encrypted_secret_key text,
    encrypted_webhook_secret text,
    public_key character varying(255),
    updated_at timestamp with time zone,
    CONSTRAINT billing_processorsettings_one_row CHECK ((id = 1)),
    CONSTRAINT billing_processorsettings_secret_key_encrypted CHECK (((encrypted_secret_key IS NULL) OR (encrypted_secret_key = ''::text) OR (encrypted_secret_key ~~ 'gAAAAA%'::text))),
    CONSTRAINT billing_processorsettings_webhook_secret_encrypted CHECK (((encrypted_webhook_secret IS NULL) OR (encrypted_webhook_secret = ''::text) OR (encrypted_webhook_secret ~~ 'gAAAAA%'::text)))
);
CREATE UNLOGGED TABLE public.billing_ratelimitwindow (
    key character varying(64) NOT NULL,
    hits integer NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT billing_ratelimitwindow_hits_positive CHECK ((hits > 0))
);
CREATE TABLE public.billing_subscription (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    order_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    addon_ids jsonb NOT NULL,
    amount_minor bigint NOT NULL,
    currency character varying(3) NOT NULL,
    status character varying(20) NOT NULL,
    paid_by character varying(6) NOT NULL,
    current_period_start timestamp with time zone NOT NULL,
    current_period_end timestamp with time zone NOT NULL,
    past_due_since timestamp with time zone,
    stripe_subscription_id character varying(255) DEFAULT ''::character varying NOT NULL,
    last_stripe_event_at timestamp with time zone,
    canceled_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    customer_id bigint NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT billing_subscription_active_is_not_past_due CHECK (((NOT ((status)::text = 'active'::text)) OR (past_due_since IS NULL))),
    CONSTRAINT billing_subscription_amount_not_negative CHECK ((amount_minor >= 0)),
    CONSTRAINT billing_subscription_canceled_at_given CHECK (((NOT ((status)::text = 'canceled'::text)) OR (canceled_at IS NOT NULL))),
    CONSTRAINT billing_subscription_paid_by_known CHECK (((paid_by)::text = ANY ((ARRAY['credit'::character varying, 'stripe'::character varying])::text[]))),
    CONSTRAINT billing_subscription_past_due_since_given CHECK (((NOT (((paid_by)::text = 'credit'::text) AND ((status)::text = 'past_due'::text))) OR (past_due_since IS NOT NULL))),
    CONSTRAINT billing_subscription_period_forward CHECK ((current_period_start < current_period_end)),
    CONSTRAINT billing_subscription_status_known CHECK (((status)::text = ANY ((ARRAY['incomplete'::character varying, 'incomplete_expired'::character varying, 'trialing'::character varying, 'active'::character varying, 'past_due'::character varying, 'canceled'::character varying, 'unpaid'::character varying, 'paused'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.billing_user (
    id bigint NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    username character varying(150) NOT NULL,
    first_name character varying(150) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL,
    sub character varying(255) NOT NULL,
    CONSTRAINT billing_user_sub_given CHECK ((NOT ((sub)::text = ''::text)))
);
CREATE TABLE public.billing_user_groups (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    group_id integer NOT NULL
);
ALTER TABLE public.billing_user_groups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_user_groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.billing_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.billing_user_user_permissions (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    permission_id integer NOT NULL
);
ALTER TABLE public.billing_user_user_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.billing_user_user_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.orders_addon (
    id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    active boolean NOT NULL,
    description text NOT NULL,
    price_minor bigint NOT NULL,
    included boolean NOT NULL,
    category character varying(50) NOT NULL,
    CONSTRAINT orders_addon_included_is_free CHECK (((NOT included) OR (price_minor = 0))),
    CONSTRAINT orders_addon_price_not_negative CHECK ((price_minor >= 0))
);
CREATE TABLE public.orders_app (
    id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    active boolean NOT NULL,
    tagline character varying(200) NOT NULL,
    description text NOT NULL,
    category character varying(50) NOT NULL,
    icon character varying(100) NOT NULL,
    icon_bg character varying(20) NOT NULL,
    free boolean NOT NULL,
    featured boolean NOT NULL,
    popular boolean NOT NULL,
    features jsonb NOT NULL,
    website character varying(200) NOT NULL,
    license character varying(100) NOT NULL,
    dependencies jsonb NOT NULL,
    system boolean NOT NULL,
    kind character varying(20) NOT NULL,
    shareable boolean NOT NULL,
    deployable boolean NOT NULL,
    minimum_size character varying(10) NOT NULL,
    recommended_size character varying(10) NOT NULL,
    ram_mb integer NOT NULL,
    cpu_milli integer NOT NULL,
    disk_gb integer NOT NULL,
    CONSTRAINT orders_app_cpu_milli_check CHECK ((cpu_milli >= 0)),
    CONSTRAINT orders_app_disk_gb_check CHECK ((disk_gb >= 0)),
    CONSTRAINT orders_app_ram_mb_check CHECK ((ram_mb >= 0))
);
CREATE TABLE public.orders_break (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    kind character varying(40) NOT NULL,
    object_id character varying(255) NOT NULL,
    order_id uuid,
    details jsonb NOT NULL,
    opened_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    closed_at timestamp with time zone,
    closed_by character varying(255) DEFAULT ''::character varying NOT NULL
);
CREATE TABLE public.orders_bundle (
    id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    active boolean NOT NULL,
    tagline character varying(200) NOT NULL,
    apps jsonb NOT NULL,
    discount_percent smallint NOT NULL,
    recommended_size character varying(10) NOT NULL,
    CONSTRAINT orders_bundle_discount_at_most_all CHECK ((discount_percent <= 100)),
    CONSTRAINT orders_bundle_discount_percent_check CHECK ((discount_percent >= 0))
);
CREATE TABLE public.orders_catalogversion (
    id smallint NOT NULL,
    version uuid NOT NULL,
    CONSTRAINT orders_catalogversion_id_check CHECK ((id >= 0)),
    CONSTRAINT orders_catalogversion_one_row CHECK ((id = 1))
);
CREATE TABLE public.orders_industry (
    id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    active boolean NOT NULL,
    emoji character varying(16) NOT NULL,
    description text NOT NULL,
    display_order integer NOT NULL,
    suggested_apps jsonb NOT NULL,
    bundle character varying(50) NOT NULL
);
CREATE TABLE public.orders_order (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    plan_id uuid NOT NULL,
    apps jsonb NOT NULL,
    addons jsonb NOT NULL,
    total_minor bigint NOT NULL,
    credit_applied_minor bigint DEFAULT 0 NOT NULL,
    currency character varying(3) NOT NULL,
    status character varying(10) NOT NULL,
    kind character varying(8) DEFAULT 'purchase'::character varying NOT NULL,
    period_start timestamp with time zone,
    promo_code_id uuid,
    promo_code character varying(64) DEFAULT ''::character varying NOT NULL,
    placed_by character varying(255) NOT NULL,
    placed_by_role character varying(20) NOT NULL,
    channel character varying(10) NOT NULL,
    address inet,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    completed_at timestamp with time zone,
    customer_id bigint NOT NULL,
    organization_id uuid NOT NULL,
    renews_id uuid,
    CONSTRAINT orders_order_completed_at_fits CHECK ((((completed_at IS NOT NULL) AND ((status)::text = ANY ((ARRAY['completed'::character varying, 'refunded'::character varying])::text[]))) OR ((NOT ((status)::text = ANY ((ARRAY['completed'::character varying, 'refunded'::character varying])::text[]))) AND (completed_at IS NULL)))),
    CONSTRAINT orders_order_credit_within_total CHECK (((credit_applied_minor >= 0) AND (credit_applied_minor <= total_minor))),
    CONSTRAINT orders_order_promo_whole CHECK (((((promo_code)::text = ''::text) AND (promo_code_id IS NULL)) OR ((promo_code_id IS NOT NULL) AND (NOT ((promo_code)::text = ''::text))))),
    CONSTRAINT orders_order_renewal_names_period CHECK (((((kind)::text = 'purchase'::text) AND (period_start IS NULL) AND (renews_id IS NULL)) OR (((kind)::text = 'renewal'::text) AND (period_start IS NOT NULL) AND (renews_id IS NOT NULL)))),
    CONSTRAINT orders_order_status_known CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'completed'::character varying, 'failed'::character varying, 'expired'::character varying, 'cancelled'::character varying, 'refunded'::character varying])::text[]))),
    CONSTRAINT orders_order_total_not_negative CHECK ((total_minor >= 0))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.orders_orderline (
    id bigint NOT NULL,
    "position" smallint NOT NULL,
    kind character varying(5) NOT NULL,
    item_id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    price_minor bigint NOT NULL,
    order_id uuid NOT NULL,
    CONSTRAINT orders_orderline_kind_known CHECK (((kind)::text = ANY ((ARRAY['plan'::character varying, 'addon'::character varying])::text[]))),
    CONSTRAINT orders_orderline_position_check CHECK (("position" >= 0)),
    CONSTRAINT orders_orderline_price_not_negative CHECK ((price_minor >= 0))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
ALTER TABLE public.orders_orderline ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.orders_orderline_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.orders_outboxevent (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    type character varying(50) NOT NULL,
    topic character varying(100) NOT NULL,
    source character varying(50) NOT NULL,
    tenant_id uuid,
    order_id uuid,
    data jsonb NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT orders_event_order_placed_names_order CHECK (((NOT ((type)::text = 'order.placed'::text)) OR ((order_id IS NOT NULL) AND (tenant_id IS NOT NULL)))),
    CONSTRAINT orders_event_tenant_named CHECK (((NOT ((type)::text = ANY ((ARRAY['tenant.created'::character varying, 'tenant.deleted'::character varying])::text[]))) OR (tenant_id IS NOT NULL)))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.orders_payment (
    order_id uuid NOT NULL,
    status character varying(10) NOT NULL,
    amount_minor bigint NOT NULL,
    currency character varying(3) NOT NULL,
    requested_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    leased_until timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    stripe_customer_id character varying(255) DEFAULT ''::character varying NOT NULL,
    session_id character varying(255),
    session_url text DEFAULT ''::text NOT NULL,
    needs_stripe_cleanup boolean DEFAULT false NOT NULL,
    stripe_subscription_id character varying(255) DEFAULT ''::character varying NOT NULL,
    stripe_invoice_id character varying(255) DEFAULT ''::character varying NOT NULL,
    payment_intent_id character varying(255) DEFAULT ''::character varying NOT NULL,
    refunded_minor bigint DEFAULT 0 NOT NULL,
    paid_at timestamp with time zone,
    closed_at timestamp with time zone,
    refusal character varying(200) DEFAULT ''::character varying NOT NULL,
    CONSTRAINT orders_payment_amount_chargeable CHECK (((NOT ((currency)::text = ANY ((ARRAY['BHD'::character varying, 'JOD'::character varying, 'KWD'::character varying, 'OMR'::character varying, 'TND'::character varying])::text[]))) OR (mod(amount_minor, (10)::bigint) = 0))),
    CONSTRAINT orders_payment_amount_positive CHECK ((amount_minor > 0)),
    CONSTRAINT orders_payment_open_has_session CHECK (((NOT ((status)::text = ANY ((ARRAY['open'::character varying, 'processing'::character varying])::text[]))) OR (session_id IS NOT NULL))),
    CONSTRAINT orders_payment_paid_at_fits CHECK ((((paid_at IS NOT NULL) AND ((status)::text = 'paid'::text)) OR ((NOT ((status)::text = 'paid'::text)) AND (paid_at IS NULL)))),
    CONSTRAINT orders_payment_refund_within_amount CHECK (((refunded_minor >= 0) AND (refunded_minor <= amount_minor))),
    CONSTRAINT orders_payment_status_known CHECK (((status)::text = ANY ((ARRAY['requested'::character varying, 'open'::character varying, 'processing'::character varying, 'paid'::character varying, 'expired'::character varying, 'failed'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
CREATE TABLE public.orders_plan (
    id uuid NOT NULL,
    slug character varying(50) NOT NULL,
    name character varying(100) NOT NULL,
    active boolean NOT NULL,
    description text NOT NULL,
    cpu character varying(50) NOT NULL,
    memory character varying(50) NOT NULL,
    storage character varying(50) NOT NULL,
    price_minor bigint NOT NULL,
    popular boolean NOT NULL,
    sort_order integer NOT NULL,
    features jsonb NOT NULL,
    stripe_price_id character varying(255) NOT NULL,
    CONSTRAINT orders_plan_price_not_negative CHECK ((price_minor >= 0))
);
CREATE TABLE public.orders_refund (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    amount_minor bigint NOT NULL,
    reason character varying(200) NOT NULL,
    status character varying(10) NOT NULL,
    stripe_refund_id character varying(255) DEFAULT ''::character varying NOT NULL,
    requested_by character varying(255) NOT NULL,
    requested_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    closed_at timestamp with time zone,
    payment_id uuid NOT NULL,
    CONSTRAINT orders_refund_amount_positive CHECK ((amount_minor > 0)),
    CONSTRAINT orders_refund_status_known CHECK (((status)::text = ANY ((ARRAY['requested'::character varying, 'done'::character varying, 'failed'::character varying])::text[])))
);
CREATE TABLE public.orders_stripeevent (
    id character varying(255) NOT NULL,
    type character varying(100) NOT NULL,
    payload jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    settled_at timestamp with time zone,
    outcome character varying(60) DEFAULT ''::character varying NOT NULL,
    mirrored_at timestamp with time zone
);
CREATE TABLE public.promos_promocounter (
    id bigint NOT NULL,
    quota bigint NOT NULL,
    used bigint DEFAULT 0 NOT NULL,
    promo_code_id uuid NOT NULL,
    CONSTRAINT promos_promocounter_used_within_quota CHECK (((used >= 0) AND (used <= quota)))
)
WITH (fillfactor='10');
ALTER TABLE public.promos_promocounter ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.promos_promocounter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.promos_redemption (
    id uuid DEFAULT public.billing_uuid7() NOT NULL,
    order_id uuid,
    credit_minor bigint NOT NULL,
    status character varying(10) NOT NULL,
    reserved_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    confirmed_at timestamp with time zone,
    released_at timestamp with time zone,
    release_reason character varying(200) DEFAULT ''::character varying NOT NULL,
    customer_id bigint NOT NULL,
    promo_code_id uuid NOT NULL,
    CONSTRAINT promos_redemption_confirmed_at_fits CHECK ((((confirmed_at IS NULL) AND ((status)::text = 'reserved'::text)) OR ((confirmed_at IS NOT NULL) AND ((status)::text = 'confirmed'::text)) OR ((status)::text = 'released'::text))),
    CONSTRAINT promos_redemption_credit_positive CHECK ((credit_minor > 0)),
    CONSTRAINT promos_redemption_release_says_why CHECK ((((released_at IS NOT NULL) AND ((status)::text = 'released'::text) AND (NOT ((release_reason)::text = ''::text))) OR ((NOT ((status)::text = 'released'::text)) AND ((release_reason)::text = ''::text) AND (released_at IS NULL)))),
    CONSTRAINT promos_redemption_status_known CHECK (((status)::text = ANY ((ARRAY['reserved'::character varying, 'confirmed'::character varying, 'released'::character varying])::text[])))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_insert_threshold='10000', autovacuum_vacuum_insert_scale_factor='0');
INSERT INTO public.billing_account VALUES (1, 'OMR', 38000, 0, 2);
INSERT INTO public.billing_account VALUES (2, 'OMR', 15000, 5000, 4);
INSERT INTO public.billing_account VALUES (3, 'OMR', 10000, 0, 1);
INSERT INTO public.billing_account VALUES (4, 'OMR', 0, 0, 2);
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c54-761d-9284-ba0f923b4b26', 'promo_code.issued', 'promo_code', 'WELCOME', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 50000], "max_redemptions": [null, 5]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.700054+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c5c-7b0d-b55b-8906a40d45a4', 'promo_code.issued', 'promo_code', 'HOT', '{"hot": [null, true], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 20]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.708171+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c64-71da-ac74-8ac7e4622aeb', 'promo_code.issued', 'promo_code', 'OPEN', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.715987+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c6b-7a1a-9617-465853ac1088', 'promo_code.issued', 'promo_code', 'FULL', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 1]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.722782+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c71-77e8-b65a-c225829c7182', 'promo_code.issued', 'promo_code', 'PAUSED', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.729161+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c79-7d83-af6d-7a2f5c3074a0', 'promo_code.paused', 'promo_code', 'PAUSED', '{"active": [true, false]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.73743+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c7e-735a-ab18-be0ab976bebf', 'promo_code.issued', 'promo_code', 'RETIRED', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.741892+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0c84-75f7-b6ae-40df8be7995d', 'promo_code.retired', 'promo_code', 'RETIRED', '{"retired_at": [null, "2026-11-27T04:30:39.744366+00:00"]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.748251+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0cbc-7385-974f-24874b215003', 'promo_code.issued', 'promo_code', 'LATER', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.80363+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b45-0cca-7122-b3bf-96ee81bdbc31', 'organization.deleted', 'organization', '01a21b45-0cc5-77a1-a8cb-9b76fd7ffd86', '{"status": ["pending", "deleted"]}', '', 'bob', 'customer', 'bob@example.org', 'api', '192.0.2.7', '2026-11-27 04:30:39.818401+00');
INSERT INTO public.billing_customer VALUES (1, 'ada', 'ada@example.org', '', '2026-11-27 04:30:39.750773+00');
INSERT INTO public.billing_customer VALUES (2, 'bob', 'bob@example.org', '', '2026-11-27 04:30:39.780375+00');
INSERT INTO public.billing_customer VALUES (3, 'carol', 'carol@example.org', '', '2026-11-27 04:30:39.822997+00');
INSERT INTO public.billing_customer VALUES (4, 'dave', 'dave@example.org', '', '2026-11-27 04:30:39.830991+00');
INSERT INTO public.billing_hold VALUES ('01a21b45-0cad-7cfe-9ac2-7193d37049a2', '00000000-0000-0000-0000-000000000001', 5000, 'active', '2026-11-27 04:30:39.788707+00', NULL, 2);
INSERT INTO public.billing_hold VALUES ('01a21b45-0caf-74b0-83fd-e7119dba7efb', '00000000-0000-0000-0000-000000000002', 5000, 'released', '2026-11-27 04:30:39.790576+00', '2026-11-27 04:30:39.79422+00', 2);
INSERT INTO public.billing_hold VALUES ('01a21b45-0cb0-7940-add5-5f21d85154db', '00000000-0000-0000-0000-000000000003', 5000, 'captured', '2026-11-27 04:30:39.791819+00', '2026-11-27 04:30:39.796749+00', 2);
INSERT INTO public.billing_idempotencykey VALUES (1, 'first', 'hash', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', 38000, '', '2026-11-27 04:30:39.754921+00', '2026-11-28 04:30:39.754921+00', 1);
INSERT INTO public.billing_installedsql VALUES ('billing/models/keys.sql', 'f37083c5e88ab77f10b2b4a0b14f5ecbb3fafc818fb93d027a0420a9d4413cd4');
INSERT INTO public.billing_installedsql VALUES ('billing/models/storage.sql', 'b2ccd92b1d0c9d252cbe5add95ea5256d88546fa18564a203c255cec9258e20d');
INSERT INTO public.billing_installedsql VALUES ('billing/models/ledger.sql', 'd72dbb561d1430135afef7cdfd77d91da3d367162d8572b72af8f56bd30ad888');
INSERT INTO public.billing_installedsql VALUES ('billing/models/transitions.sql', '31fe7edb15e8dd701625a9eebd5222c5ebf7db0c77010c74c6ab121a87f77f6f');
INSERT INTO public.billing_installedsql VALUES ('billing/use_cases/grant_many.sql', 'd2baf74422e063ccd8cd5601122c5e144776b0af7b4d58bffdce1ac261760a72');
INSERT INTO public.billing_installedsql VALUES ('billing/use_cases/store_answer.sql', 'b5fc98f8851a439311728b689fe6db8dd560d86335215dc482407f263a084311');
INSERT INTO public.billing_installedsql VALUES ('promos/models/storage.sql', 'dd07bc6688b4b1d474be3c017ae5a27117a596f28ab8c268fd565cd9ab0427aa');
INSERT INTO public.billing_installedsql VALUES ('promos/models/promos.sql', 'd5704914a717a2506f0798f456ae69b74769cc0752dc146164d473e870ab3c59');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/slots.sql', '6af550447af6ac9406a8554ec7ece1c59fbae4efc2a34785d536487015e9b10b');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/redeem.sql', '0eb44d8452628b0c1d9aebae265fc58f912d05994d7e996f0d0278efdd0cf6a6');
INSERT INTO public.billing_installedsql VALUES ('orders/models/storage.sql', '9cc6d61445d6835abd00f3ebd3ff2f3b3fde53c2f398d1aca4b67730ae85dc9b');
INSERT INTO public.billing_installedsql VALUES ('orders/models/transitions.sql', '17f87518a5731cbeb97ff74b1fdbe8f80229c3531d2e279f65610ee9fe6abe55');
INSERT INTO public.billing_installedsql VALUES ('orders/models/catalog.sql', '86730ef9e9a73d4b58fdc34affcd35fb44706d4e80174af8fdb97880f4545323');
INSERT INTO public.billing_installedsql VALUES ('orders/use_cases/checkout/place_orders.sql', '4ef50feebaee0789766db4812159f799ae7a6873af31da4150b8a04b205d7dcb');
INSERT INTO public.billing_invoice VALUES ('01a21b45-0c99-7549-8b09-b74cffff45a7', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', 12000, 'OMR', 'paid', '2026-11-27 04:30:39.754921+00', '2026-12-27 04:30:39.754921+00', '', '', '2026-11-27 04:30:39.758911+00', 1, '01a21b45-0c8a-7603-b7a4-1241cc76191b', '01a21b45-0c99-7e79-a7eb-ac86e9bda005');
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0c8e-731c-9dc5-7fbe4f495f7a', 1, 'grant', 50000, 50000, 'promo:WELCOME', '', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', '01a21b45-0c8e-7179-be04-7c6149aaab24', 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.758911+00', NULL, 1);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0c97-73b9-a55a-a6485ab07ca2', 2, 'spend', -12000, 38000, 'order-payment', '', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', NULL, 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.758911+00', NULL, 1);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0ca6-7933-816c-513bc48d669f', 1, 'adjustment', 20000, 20000, 'adjustment', 'credit for a test', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 04:30:39.782231+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0ca7-73d8-9130-f94668936cd0', 2, 'adjustment', 7000, 27000, 'adjustment', 'meant for Ada', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 04:30:39.783197+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0cab-7503-9fc1-7e13aed4104f', 3, 'reversal', -7000, 20000, 'reversal:adjustment', 'wrong customer', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 04:30:39.786692+00', '01a21b45-0ca7-73d8-9130-f94668936cd0', 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0cb6-74be-9890-5d471293ca81', 4, 'spend', -5000, 15000, 'order-payment', '', '00000000-0000-0000-0000-000000000003', NULL, 'bob', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.797896+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0cd0-796a-9017-a2a3072ebaf1', 1, 'grant', 10000, 10000, 'promo:FULL', '', NULL, '01a21b45-0cd0-7a33-b1fa-d43daa64d6ea', 'carol', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.824807+00', NULL, 3);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0cd8-7dd2-9f78-add0ab751220', 1, 'grant', 50000, 50000, 'promo:WELCOME', '', NULL, '01a21b45-0cd8-7841-870e-993fbdf947a4', 'dave', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.832903+00', NULL, 4);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b45-0ce0-7a44-b279-c56a9fe92d9c', 2, 'reversal', -50000, 0, 'reversal:promo:WELCOME', 'by mistake', NULL, '01a21b45-0cd8-7841-870e-993fbdf947a4', 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 04:30:39.840063+00', '01a21b45-0cd8-7dd2-9f78-add0ab751220', 4);
INSERT INTO public.billing_organization VALUES ('01a21b45-0c8a-7603-b7a4-1241cc76191b', 'acme', 'Acme', 'aed81cd3-f655-4367-a380-fbb1b0cf148e', '[]', '["backup"]', 'active', '2026-11-27 04:30:39.754159+00', NULL, 1);
INSERT INTO public.billing_organization VALUES ('01a21b45-0cc5-77a1-a8cb-9b76fd7ffd86', 'gone', 'Gone', NULL, '[]', '[]', 'deleted', '2026-11-27 04:30:39.812535+00', '2026-11-27 04:30:39.813164+00', 2);
INSERT INTO public.billing_organization VALUES ('01a21b45-0ccd-74e2-88f4-0099c87e5c69', 'bobs', 'Bobs', NULL, '[]', '[]', 'pending', '2026-11-27 04:30:39.82065+00', NULL, 2);
INSERT INTO public.billing_subscription VALUES ('01a21b45-0c99-7e79-a7eb-ac86e9bda005', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', 'aed81cd3-f655-4367-a380-fbb1b0cf148e', '["338a7d22-1c4a-4fd4-bc00-9c0282afef9b"]', 12000, 'OMR', 'active', 'credit', '2026-11-27 04:30:39.754921+00', '2026-12-27 04:30:39.754921+00', NULL, '', NULL, NULL, '2026-11-27 04:30:39.758911+00', 1, '01a21b45-0c8a-7603-b7a4-1241cc76191b');
INSERT INTO public.billing_user VALUES (1, '', NULL, false, 'first@example.org', '', '', 'first@example.org', false, true, '2026-11-27 04:30:39.843401+00', 'first');
INSERT INTO public.billing_user VALUES (2, '', NULL, false, 'second@example.org', '', '', 'second@example.org', false, true, '2026-11-27 04:30:39.844655+00', 'second');
INSERT INTO public.orders_addon VALUES ('338a7d22-1c4a-4fd4-bc00-9c0282afef9b', 'backup', 'Backup', true, '', 3000, false, 'reliability');
INSERT INTO public.orders_addon VALUES ('28dfe323-f208-4427-8830-85a1fc84d8b4', 'waf', 'Waf', true, '', 0, true, 'reliability');
INSERT INTO public.orders_app VALUES ('a1f3dfb5-02d0-4ab2-a95e-33d56e5effa9', 'one', 'One', true, '', '', 'cms', '', '', true, false, false, '[]', '', '', '[]', false, 'app', false, true, '', '', 0, 0, 0);
INSERT INTO public.orders_app VALUES ('243b845c-2e95-44da-8098-a617236bfb2c', 'two', 'Two', true, '', '', 'cms', '', '', true, false, false, '[]', '', '', '[]', false, 'app', false, true, '', '', 0, 0, 0);
INSERT INTO public.orders_bundle VALUES ('81518b40-b325-4131-bdba-99f7d7d559d9', 'one', 'One', true, '', '[]', 0, '');
INSERT INTO public.orders_bundle VALUES ('59bc6ab3-12e8-4a02-a063-6766118835c5', 'two', 'Two', true, '', '[]', 0, '');
INSERT INTO public.orders_catalogversion VALUES (1, 'b6482efe-96ad-4982-8c1a-88d3ee9e37e7');
INSERT INTO public.orders_industry VALUES ('378351ef-2791-436b-b1ff-d3cbd5c81143', 'one', 'One', true, '', '', 0, '[]', '');
INSERT INTO public.orders_industry VALUES ('9a4998d1-d9bd-4706-a9fb-a2ffc074554e', 'two', 'Two', true, '', '', 0, '[]', '');
INSERT INTO public.orders_order VALUES ('01a21b45-0c8e-7481-a7e1-a6c34a345c5b', 'aed81cd3-f655-4367-a380-fbb1b0cf148e', '[]', '["backup"]', 12000, 12000, 'OMR', 'completed', 'purchase', NULL, '01a21b45-0c4f-70d9-a71d-15572dc5626d', 'WELCOME', 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 04:30:39.754921+00', '2026-11-27 04:30:39.754921+00', 1, '01a21b45-0c8a-7603-b7a4-1241cc76191b', NULL);
INSERT INTO public.orders_orderline VALUES (1, 1, 'plan', 'aed81cd3-f655-4367-a380-fbb1b0cf148e', 'm', 'M', 9000, '01a21b45-0c8e-7481-a7e1-a6c34a345c5b');
INSERT INTO public.orders_orderline VALUES (2, 2, 'addon', '338a7d22-1c4a-4fd4-bc00-9c0282afef9b', 'backup', 'Backup', 3000, '01a21b45-0c8e-7481-a7e1-a6c34a345c5b');
INSERT INTO public.orders_outboxevent VALUES ('01a21b45-0c9a-7a9f-8f28-5b826a966a36', 'order.placed', 'sme.order.events', 'qasima', '01a21b45-0c8a-7603-b7a4-1241cc76191b', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', '{"id": "01a21b45-0c8e-7481-a7e1-a6c34a345c5b", "apps": [], "addons": ["backup"], "status": "completed", "plan_id": "aed81cd3-f655-4367-a380-fbb1b0cf148e", "currency": "OMR", "subdomain": "acme", "tenant_id": "01a21b45-0c8a-7603-b7a4-1241cc76191b", "amount_omr": 12, "customer_id": "ada", "amount_baisa": 12000, "amount_minor": 12000}', '{}', '2026-11-27 04:30:39.754921+00', NULL);
INSERT INTO public.orders_outboxevent VALUES ('01a21b45-0ca2-7593-9240-3688e74bba4d', 'tenant.created', 'sme.tenant.events', 'qasima', '01a21b45-0c8a-7603-b7a4-1241cc76191b', NULL, '{"id": "01a21b45-0c8a-7603-b7a4-1241cc76191b", "apps": [], "name": "Acme", "slug": "acme", "addons": ["backup"], "status": "active", "plan_id": "aed81cd3-f655-4367-a380-fbb1b0cf148e", "subdomain": "acme", "customer_id": "ada"}', '{}', '2026-11-27 04:30:39.778365+00', NULL);
INSERT INTO public.orders_outboxevent VALUES ('01a21b45-0cca-7240-9a3d-236d2a7962bf', 'tenant.deleted', 'sme.tenant.events', 'qasima', '01a21b45-0cc5-77a1-a8cb-9b76fd7ffd86', NULL, '{"id": "01a21b45-0cc5-77a1-a8cb-9b76fd7ffd86", "apps": [], "name": "Gone", "slug": "gone", "addons": [], "status": "deleted", "plan_id": null, "subdomain": "gone", "customer_id": "bob"}', '{}', '2026-11-27 04:30:39.817664+00', NULL);
INSERT INTO public.orders_plan VALUES ('aed81cd3-f655-4367-a380-fbb1b0cf148e', 'm', 'M', true, '', '2 vCPU', '4 GB', '25 GB', 9000, false, 0, '[]', '');
INSERT INTO public.orders_plan VALUES ('8894f84e-184b-47e3-a31a-8dfd0e8a2a22', 'l', 'L', true, '', '2 vCPU', '4 GB', '25 GB', 16000, false, 0, '[]', '');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c4f-70d9-a71d-15572dc5626d', 'WELCOME', 50000, 'OMR', '', true, 5, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.694803+00', '2026-11-27 04:30:39.697915+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c5a-7c5b-a979-2750fd43e161', 'HOT', 10000, 'OMR', '', true, 20, true, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.705931+00', '2026-11-27 04:30:39.707099+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c62-7f96-b8a0-41a2af7fa9e1', 'OPEN', 10000, 'OMR', '', true, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.714008+00', '2026-11-27 04:30:39.714938+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c69-71f2-b978-315f60c94149', 'FULL', 10000, 'OMR', '', true, 1, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.720685+00', '2026-11-27 04:30:39.721716+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c6f-7093-8c3e-b4be6be9a0a9', 'PAUSED', 10000, 'OMR', '', false, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.727178+00', '2026-11-27 04:30:39.736299+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0c7c-7694-b884-12ee866c8270', 'RETIRED', 10000, 'OMR', '', true, 0, false, NULL, NULL, '2026-11-27 04:30:39.744366+00', 'superadmin', '2026-11-27 04:30:39.739866+00', '2026-11-27 04:30:39.747222+00');
INSERT INTO public.promos_promocode VALUES ('01a21b45-0cba-7df8-ac47-39bd5c606b1a', 'LATER', 10000, 'OMR', '', true, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 04:30:39.801831+00', '2026-11-27 04:30:39.802571+00');
INSERT INTO public.promos_promocounter VALUES (2, 2, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (3, 2, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (4, 2, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (5, 2, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (6, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (7, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (8, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (9, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (10, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (11, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (1, 5, 1, '01a21b45-0c4f-70d9-a71d-15572dc5626d');
INSERT INTO public.promos_promocounter VALUES (12, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (13, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (14, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (15, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (16, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (17, 1, 0, '01a21b45-0c5a-7c5b-a979-2750fd43e161');
INSERT INTO public.promos_promocounter VALUES (18, 1, 1, '01a21b45-0c69-71f2-b978-315f60c94149');
INSERT INTO public.promos_redemption VALUES ('01a21b45-0c8e-7179-be04-7c6149aaab24', '01a21b45-0c8e-7481-a7e1-a6c34a345c5b', 50000, 'confirmed', '2026-11-27 04:30:39.754921+00', '2026-11-27 04:30:39.754921+00', NULL, '', 1, '01a21b45-0c4f-70d9-a71d-15572dc5626d');
INSERT INTO public.promos_redemption VALUES ('01a21b45-0cbe-79c5-8449-2a40eee3fadd', '00000000-0000-0000-0000-000000000004', 10000, 'reserved', '2026-11-27 04:30:39.8064+00', NULL, NULL, '', 2, '01a21b45-0cba-7df8-ac47-39bd5c606b1a');
INSERT INTO public.promos_redemption VALUES ('01a21b45-0cd0-7a33-b1fa-d43daa64d6ea', NULL, 10000, 'confirmed', '2026-11-27 04:30:39.824477+00', '2026-11-27 04:30:39.824477+00', NULL, '', 3, '01a21b45-0c69-71f2-b978-315f60c94149');
INSERT INTO public.promos_redemption VALUES ('01a21b45-0cd8-7841-870e-993fbdf947a4', NULL, 50000, 'released', '2026-11-27 04:30:39.832637+00', '2026-11-27 04:30:39.832637+00', '2026-11-27 04:30:39.840957+00', 'by mistake', 4, '01a21b45-0c4f-70d9-a71d-15572dc5626d');
SELECT pg_catalog.setval('public.billing_customer_id_seq', 4, true);
SELECT pg_catalog.setval('public.billing_idempotencykey_id_seq', 1, true);
SELECT pg_catalog.setval('public.billing_user_groups_id_seq', 1, false);
SELECT pg_catalog.setval('public.billing_user_id_seq', 2, true);
SELECT pg_catalog.setval('public.billing_user_user_permissions_id_seq', 1, false);
SELECT pg_catalog.setval('public.orders_orderline_id_seq', 2, true);
SELECT pg_catalog.setval('public.promos_promocounter_id_seq', 18, true);
ALTER TABLE ONLY public.billing_account
    ADD CONSTRAINT billing_account_pkey PRIMARY KEY (customer_id);
ALTER TABLE ONLY public.billing_auditentry
    ADD CONSTRAINT billing_auditentry_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_customer
    ADD CONSTRAINT billing_customer_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_customer
    ADD CONSTRAINT billing_customer_user_id_key UNIQUE (user_id);
ALTER TABLE ONLY public.billing_hold
    ADD CONSTRAINT billing_hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_idempotencykey
    ADD CONSTRAINT billing_idempotencykey_once UNIQUE (customer_id, key);
ALTER TABLE ONLY public.billing_idempotencykey
    ADD CONSTRAINT billing_idempotencykey_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_installedsql
    ADD CONSTRAINT billing_installedsql_pkey PRIMARY KEY (path);
ALTER TABLE ONLY public.billing_invoice
    ADD CONSTRAINT billing_invoice_order_id_key UNIQUE (order_id);
ALTER TABLE ONLY public.billing_invoice
    ADD CONSTRAINT billing_invoice_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_ledgerentry
    ADD CONSTRAINT billing_ledgerentry_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_ledgerentry
    ADD CONSTRAINT billing_ledgerentry_version_once UNIQUE (account_id, version);
ALTER TABLE ONLY public.billing_organization
    ADD CONSTRAINT billing_organization_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_processorsettings
    ADD CONSTRAINT billing_processorsettings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_ratelimitwindow
    ADD CONSTRAINT billing_ratelimitwindow_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.billing_subscription
    ADD CONSTRAINT billing_subscription_order_id_key UNIQUE (order_id);
ALTER TABLE ONLY public.billing_subscription
    ADD CONSTRAINT billing_subscription_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_user_groups
    ADD CONSTRAINT billing_user_groups_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_user_groups
    ADD CONSTRAINT billing_user_groups_user_id_group_id_af6b9d11_uniq UNIQUE (user_id, group_id);
ALTER TABLE ONLY public.billing_user
    ADD CONSTRAINT billing_user_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_user
    ADD CONSTRAINT billing_user_sub_key UNIQUE (sub);
ALTER TABLE ONLY public.billing_user_user_permissions
    ADD CONSTRAINT billing_user_user_permis_user_id_permission_id_78bf0dc2_uniq UNIQUE (user_id, permission_id);
ALTER TABLE ONLY public.billing_user_user_permissions
    ADD CONSTRAINT billing_user_user_permissions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.billing_user
    ADD CONSTRAINT billing_user_username_key UNIQUE (username);
ALTER TABLE ONLY public.orders_addon
    ADD CONSTRAINT orders_addon_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_addon
    ADD CONSTRAINT orders_addon_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.orders_app
    ADD CONSTRAINT orders_app_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_app
    ADD CONSTRAINT orders_app_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.orders_break
    ADD CONSTRAINT orders_break_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_bundle
    ADD CONSTRAINT orders_bundle_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_bundle
    ADD CONSTRAINT orders_bundle_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.orders_catalogversion
    ADD CONSTRAINT orders_catalogversion_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_industry
    ADD CONSTRAINT orders_industry_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_industry
    ADD CONSTRAINT orders_industry_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.orders_order
    ADD CONSTRAINT orders_order_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_orderline
    ADD CONSTRAINT orders_orderline_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_orderline
    ADD CONSTRAINT orders_orderline_position_once UNIQUE (order_id, "position");
ALTER TABLE ONLY public.orders_outboxevent
    ADD CONSTRAINT orders_outboxevent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_payment
    ADD CONSTRAINT orders_payment_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY public.orders_payment
    ADD CONSTRAINT orders_payment_session_once UNIQUE (session_id);
ALTER TABLE ONLY public.orders_plan
    ADD CONSTRAINT orders_plan_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_plan
    ADD CONSTRAINT orders_plan_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.orders_refund
    ADD CONSTRAINT orders_refund_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders_stripeevent
    ADD CONSTRAINT orders_stripeevent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.promos_promocode
    ADD CONSTRAINT promos_promocode_code_key UNIQUE (code);
ALTER TABLE ONLY public.promos_promocode
    ADD CONSTRAINT promos_promocode_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.promos_promocounter
    ADD CONSTRAINT promos_promocounter_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.promos_redemption
    ADD CONSTRAINT promos_redemption_pkey PRIMARY KEY (id);
CREATE INDEX billing_audit_newest ON public.billing_auditentry USING btree (created_at DESC);
CREATE INDEX billing_audit_of_object ON public.billing_auditentry USING btree (object_type, object_id, created_at DESC);
CREATE INDEX billing_customer_newest ON public.billing_customer USING btree (created_at DESC);
CREATE UNIQUE INDEX billing_customer_stripe_customer_once ON public.billing_customer USING btree (stripe_customer_id) WHERE (NOT ((stripe_customer_id)::text = ''::text));
CREATE INDEX billing_customer_user_id_63137de3_like ON public.billing_customer USING btree (user_id varchar_pattern_ops);
CREATE INDEX billing_hold_account_id_56c002f9 ON public.billing_hold USING btree (account_id);
CREATE UNIQUE INDEX billing_hold_once_per_order ON public.billing_hold USING btree (order_id) WHERE (NOT ((status)::text = 'released'::text));
CREATE INDEX billing_installedsql_path_a9361939_like ON public.billing_installedsql USING btree (path varchar_pattern_ops);
CREATE INDEX billing_invoice_newest ON public.billing_invoice USING btree (customer_id, created_at DESC);
CREATE INDEX billing_invoice_of_org ON public.billing_invoice USING btree (organization_id, created_at DESC);
CREATE UNIQUE INDEX billing_invoice_period_once ON public.billing_invoice USING btree (subscription_id, period_start) WHERE ((stripe_invoice_id)::text = ''::text);
CREATE UNIQUE INDEX billing_invoice_stripe_once ON public.billing_invoice USING btree (stripe_invoice_id) WHERE (NOT ((stripe_invoice_id)::text = ''::text));
CREATE INDEX billing_invoice_subscription_id_b7df633b ON public.billing_invoice USING btree (subscription_id);
CREATE UNIQUE INDEX billing_ledgerentry_one_grant_per_reason ON public.billing_ledgerentry USING btree (account_id, reason) WHERE (((kind)::text = 'grant'::text) AND ((reason)::text ~~ 'grant:%'::text));
CREATE UNIQUE INDEX billing_ledgerentry_one_grant_per_redemption ON public.billing_ledgerentry USING btree (redemption_id) WHERE ((kind)::text = 'grant'::text);
CREATE UNIQUE INDEX billing_ledgerentry_one_spend_per_order ON public.billing_ledgerentry USING btree (order_id) WHERE ((kind)::text = 'spend'::text);
CREATE UNIQUE INDEX billing_ledgerentry_reversed_once ON public.billing_ledgerentry USING btree (reverses_id) WHERE (reverses_id IS NOT NULL);
CREATE INDEX billing_organization_newest ON public.billing_organization USING btree (customer_id, created_at DESC);
CREATE UNIQUE INDEX billing_organization_slug_once ON public.billing_organization USING btree (slug) WHERE (NOT ((status)::text = 'deleted'::text));
CREATE INDEX billing_ratelimitwindow_ended ON public.billing_ratelimitwindow USING btree (ends_at);
CREATE INDEX billing_ratelimitwindow_key_0ec9c9fe_like ON public.billing_ratelimitwindow USING btree (key varchar_pattern_ops);
CREATE INDEX billing_subscription_due ON public.billing_subscription USING btree (current_period_end) WHERE (((paid_by)::text = 'credit'::text) AND ((status)::text = ANY ((ARRAY['active'::character varying, 'past_due'::character varying])::text[])));
CREATE INDEX billing_subscription_newest ON public.billing_subscription USING btree (customer_id, created_at DESC);
CREATE INDEX billing_subscription_of_org ON public.billing_subscription USING btree (organization_id, created_at DESC);
CREATE UNIQUE INDEX billing_subscription_one_live_per_organization ON public.billing_subscription USING btree (organization_id) WHERE (NOT ((status)::text = ANY ((ARRAY['canceled'::character varying, 'incomplete_expired'::character varying])::text[])));
CREATE UNIQUE INDEX billing_subscription_stripe_once ON public.billing_subscription USING btree (stripe_subscription_id) WHERE (NOT ((stripe_subscription_id)::text = ''::text));
CREATE INDEX billing_user_groups_group_id_2b1dc023 ON public.billing_user_groups USING btree (group_id);
CREATE INDEX billing_user_groups_user_id_4385cb5c ON public.billing_user_groups USING btree (user_id);
CREATE INDEX billing_user_sub_5a0aebde_like ON public.billing_user USING btree (sub varchar_pattern_ops);
CREATE INDEX billing_user_user_permissions_permission_id_0e45bb97 ON public.billing_user_user_permissions USING btree (permission_id);
CREATE INDEX billing_user_user_permissions_user_id_65bb214f ON public.billing_user_user_permissions USING btree (user_id);
CREATE INDEX billing_user_username_59ec0753_like ON public.billing_user USING btree (username varchar_pattern_ops);
CREATE INDEX orders_addon_slug_b94a1b94_like ON public.orders_addon USING btree (slug varchar_pattern_ops);
CREATE INDEX orders_app_slug_5cbb141a_like ON public.orders_app USING btree (slug varchar_pattern_ops);
CREATE INDEX orders_break_newest ON public.orders_break USING btree (opened_at DESC);
CREATE UNIQUE INDEX orders_break_told_once ON public.orders_break USING btree (kind, object_id) WHERE (closed_at IS NULL);
CREATE INDEX orders_bundle_slug_e4430424_like ON public.orders_bundle USING btree (slug varchar_pattern_ops);
CREATE INDEX orders_event_newest ON public.orders_outboxevent USING btree (created_at DESC, id DESC);
CREATE UNIQUE INDEX orders_event_order_placed_once ON public.orders_outboxevent USING btree (order_id) WHERE ((type)::text = 'order.placed'::text);
CREATE UNIQUE INDEX orders_event_subscription_told_once ON public.orders_outboxevent USING btree (type, ((data ->> 'subscription_id'::text)), ((data ->> 'period_start'::text))) WHERE ((type)::text = ANY ((ARRAY['subscription.renewed'::character varying, 'subscription.past_due'::character varying, 'subscription.canceled'::character varying])::text[]));
CREATE UNIQUE INDEX orders_event_tenant_told_once ON public.orders_outboxevent USING btree (tenant_id, type) WHERE ((type)::text = ANY ((ARRAY['tenant.created'::character varying, 'tenant.deleted'::character varying])::text[]));
CREATE INDEX orders_event_undelivered ON public.orders_outboxevent USING btree (created_at) WHERE (delivered_at IS NULL);
CREATE INDEX orders_industry_slug_60f9885a_like ON public.orders_industry USING btree (slug varchar_pattern_ops);
CREATE INDEX orders_order_newest ON public.orders_order USING btree (created_at DESC, id DESC);
CREATE INDEX orders_order_of_customer ON public.orders_order USING btree (customer_id, created_at DESC);
CREATE UNIQUE INDEX orders_order_one_open_per_organization ON public.orders_order USING btree (organization_id) WHERE ((status)::text = 'pending'::text);
CREATE UNIQUE INDEX orders_order_one_renewal_a_period ON public.orders_order USING btree (renews_id, period_start) WHERE ((status)::text = ANY ((ARRAY['pending'::character varying, 'completed'::character varying, 'refunded'::character varying])::text[]));
CREATE INDEX orders_order_organization_id_7455e8e5 ON public.orders_order USING btree (organization_id);
CREATE INDEX orders_payment_intent ON public.orders_payment USING btree (payment_intent_id) WHERE (NOT ((payment_intent_id)::text = ''::text));
CREATE INDEX orders_payment_open ON public.orders_payment USING btree (expires_at) WHERE ((status)::text = ANY ((ARRAY['open'::character varying, 'processing'::character varying])::text[]));
CREATE INDEX orders_payment_unanswered ON public.orders_payment USING btree (leased_until) WHERE (((status)::text = 'requested'::text) OR needs_stripe_cleanup);
CREATE INDEX orders_plan_slug_e972cb4d_like ON public.orders_plan USING btree (slug varchar_pattern_ops);
CREATE UNIQUE INDEX orders_refund_one_under_way ON public.orders_refund USING btree (payment_id) WHERE ((status)::text = 'requested'::text);
CREATE INDEX orders_refund_payment_id_a6b07753 ON public.orders_refund USING btree (payment_id);
CREATE INDEX orders_stripeevent_id_64534f34_like ON public.orders_stripeevent USING btree (id varchar_pattern_ops);
CREATE INDEX orders_stripeevent_newest ON public.orders_stripeevent USING btree (received_at DESC);
CREATE INDEX orders_stripeevent_unsettled ON public.orders_stripeevent USING btree (received_at) WHERE (settled_at IS NULL);
CREATE INDEX promos_promocode_code_65d4f831_like ON public.promos_promocode USING btree (code varchar_pattern_ops);
CREATE INDEX promos_promocode_live_in_order ON public.promos_promocode USING btree (created_at DESC, id DESC) WHERE (retired_at IS NULL);
CREATE INDEX promos_promocounter_promo_code_id_c2658b8e ON public.promos_promocounter USING btree (promo_code_id);
CREATE INDEX promos_redemption_customer_id_eeca9fed ON public.promos_redemption USING btree (customer_id);
CREATE INDEX promos_redemption_of_code ON public.promos_redemption USING btree (promo_code_id, reserved_at DESC);
CREATE UNIQUE INDEX promos_redemption_once_per_customer ON public.promos_redemption USING btree (promo_code_id, customer_id) WHERE ((status)::text = ANY ((ARRAY['reserved'::character varying, 'confirmed'::character varying])::text[]));
CREATE INDEX promos_redemption_with_order ON public.promos_redemption USING btree (order_id) WHERE (order_id IS NOT NULL);
CREATE RULE billing_hold_no_conflict_passed_over AS
    ON UPDATE TO public.billing_hold
   WHERE false DO NOTHING;
CREATE RULE billing_ledgerentry_no_conflict_passed_over AS
    ON UPDATE TO public.billing_ledgerentry
   WHERE false DO NOTHING;
CREATE TRIGGER billing_account_moved_by_entries BEFORE UPDATE ON public.billing_account FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.billing_refuse('balance and held credit follow from ledger entries and holds');
CREATE TRIGGER billing_account_never_deleted BEFORE DELETE OR TRUNCATE ON public.billing_account FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('an account stays');
CREATE TRIGGER billing_account_starts_empty BEFORE INSERT ON public.billing_account FOR EACH ROW WHEN (((new.balance_minor <> 0) OR (new.held_minor <> 0) OR (new.version <> 0))) EXECUTE FUNCTION public.billing_refuse('an account starts empty');
CREATE TRIGGER billing_auditentry_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.billing_auditentry FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('the audit trail is append-only');
CREATE TRIGGER billing_grants_post INSTEAD OF INSERT ON public.billing_grants FOR EACH ROW EXECUTE FUNCTION public.billing_post_grants();
CREATE TRIGGER billing_hold_apply BEFORE INSERT OR UPDATE ON public.billing_hold FOR EACH ROW EXECUTE FUNCTION public.billing_apply_hold();
CREATE TRIGGER billing_hold_never_deleted BEFORE DELETE OR TRUNCATE ON public.billing_hold FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('a hold is closed, never deleted');
CREATE TRIGGER billing_ledgerentry_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.billing_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('the ledger is append-only, corrections are reversals');
CREATE TRIGGER billing_ledgerentry_post BEFORE INSERT ON public.billing_ledgerentry FOR EACH ROW EXECUTE FUNCTION public.billing_post_entry();
CREATE TRIGGER billing_organization_transition_known BEFORE UPDATE ON public.billing_organization FOR EACH ROW WHEN (((old.status)::text <> (new.status)::text)) EXECUTE FUNCTION public.billing_check_transition('pending > provisioning', 'pending > deleted', 'provisioning > active', 'provisioning > suspended', 'provisioning > deleted', 'active > suspended', 'active > deleted', 'suspended > active', 'suspended > deleted');
CREATE TRIGGER billing_subscription_stays_canceled BEFORE UPDATE ON public.billing_subscription FOR EACH ROW WHEN ((((old.status)::text = 'canceled'::text) AND ((new.status)::text <> 'canceled'::text))) EXECUTE FUNCTION public.billing_check_transition();
CREATE TRIGGER orders_addon_altered_changes_catalog AFTER UPDATE ON public.orders_addon FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_addon_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON public.orders_addon FOR EACH STATEMENT EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_app_altered_changes_catalog AFTER UPDATE ON public.orders_app FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_app_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON public.orders_app FOR EACH STATEMENT EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_order_transition_known BEFORE UPDATE ON public.orders_order FOR EACH ROW WHEN (((old.status)::text <> (new.status)::text)) EXECUTE FUNCTION public.billing_check_transition('pending > completed', 'pending > failed', 'pending > expired', 'pending > cancelled', 'completed > refunded', 'failed > completed', 'expired > completed');
CREATE TRIGGER orders_payment_transition_known BEFORE UPDATE ON public.orders_payment FOR EACH ROW WHEN (((old.status)::text <> (new.status)::text)) EXECUTE FUNCTION public.billing_check_transition('requested > open', 'requested > failed', 'open > processing', 'open > paid', 'open > expired', 'open > failed', 'processing > paid', 'processing > failed', 'expired > paid', 'failed > paid');
CREATE TRIGGER orders_plan_altered_changes_catalog AFTER UPDATE ON public.orders_plan FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_plan_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON public.orders_plan FOR EACH STATEMENT EXECUTE FUNCTION public.orders_catalog_changed();
CREATE TRIGGER orders_refund_transition_known BEFORE UPDATE ON public.orders_refund FOR EACH ROW WHEN (((old.status)::text <> (new.status)::text)) EXECUTE FUNCTION public.billing_check_transition('requested > done', 'requested > failed');
CREATE TRIGGER promos_promocode_identity_fixed BEFORE UPDATE ON public.promos_promocode FOR EACH ROW WHEN ((((new.id IS DISTINCT FROM old.id) OR ((new.code)::text IS DISTINCT FROM (old.code)::text)) OR ((new.currency)::text IS DISTINCT FROM (old.currency)::text))) EXECUTE FUNCTION public.billing_refuse('a code''s text and currency stay');
CREATE TRIGGER promos_promocode_never_deleted BEFORE DELETE OR TRUNCATE ON public.promos_promocode FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('a code is retired, never deleted');
CREATE TRIGGER promos_redemption_identity_fixed BEFORE UPDATE ON public.promos_redemption FOR EACH ROW WHEN ((((((new.id IS DISTINCT FROM old.id) OR (new.promo_code_id IS DISTINCT FROM old.promo_code_id)) OR (new.customer_id IS DISTINCT FROM old.customer_id)) OR (new.order_id IS DISTINCT FROM old.order_id)) OR (new.credit_minor IS DISTINCT FROM old.credit_minor))) EXECUTE FUNCTION public.billing_refuse('a redemption stays what it is');
CREATE TRIGGER promos_redemption_never_deleted BEFORE DELETE OR TRUNCATE ON public.promos_redemption FOR EACH STATEMENT EXECUTE FUNCTION public.billing_refuse('a redemption is released, never deleted');
CREATE TRIGGER promos_redemption_references AFTER INSERT ON public.promos_redemption REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION public.promos_check_references();
CREATE TRIGGER promos_redemption_starts_live BEFORE INSERT ON public.promos_redemption FOR EACH ROW WHEN (((new.status)::text = 'released'::text)) EXECUTE FUNCTION public.billing_refuse('a redemption starts reserved or confirmed');
CREATE TRIGGER promos_redemption_transition_known BEFORE UPDATE ON public.promos_redemption FOR EACH ROW EXECUTE FUNCTION public.billing_check_transition('reserved > confirmed', 'reserved > released', 'confirmed > released');
ALTER TABLE ONLY public.billing_account
    ADD CONSTRAINT billing_account_customer_id_b6f1aa6f_fk_billing_customer_id FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_hold
    ADD CONSTRAINT billing_hold_account_id_56c002f9_fk_billing_account_customer_id FOREIGN KEY (account_id) REFERENCES public.billing_account(customer_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_idempotencykey
    ADD CONSTRAINT billing_idempotencyk_customer_id_da0e2575_fk_billing_c FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_invoice
    ADD CONSTRAINT billing_invoice_customer_id_12e1ebba_fk_billing_customer_id FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_invoice
    ADD CONSTRAINT billing_invoice_organization_id_244f1474_fk_billing_o FOREIGN KEY (organization_id) REFERENCES public.billing_organization(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_invoice
    ADD CONSTRAINT billing_invoice_subscription_id_b7df633b_fk_billing_s FOREIGN KEY (subscription_id) REFERENCES public.billing_subscription(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_ledgerentry
    ADD CONSTRAINT billing_ledgerentry_account_id_ac8d6a24_fk_billing_a FOREIGN KEY (account_id) REFERENCES public.billing_account(customer_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_ledgerentry
    ADD CONSTRAINT billing_ledgerentry_reverses_id_4b47b0b1_fk_billing_l FOREIGN KEY (reverses_id) REFERENCES public.billing_ledgerentry(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_organization
    ADD CONSTRAINT billing_organization_customer_id_7feffb89_fk_billing_c FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_subscription
    ADD CONSTRAINT billing_subscription_customer_id_05c1a509_fk_billing_c FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_subscription
    ADD CONSTRAINT billing_subscription_organization_id_5004dd6b_fk_billing_o FOREIGN KEY (organization_id) REFERENCES public.billing_organization(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_user_groups
    ADD CONSTRAINT billing_user_groups_group_id_2b1dc023_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_user_groups
    ADD CONSTRAINT billing_user_groups_user_id_4385cb5c_fk_billing_user_id FOREIGN KEY (user_id) REFERENCES public.billing_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_user_user_permissions
    ADD CONSTRAINT billing_user_user_pe_permission_id_0e45bb97_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.billing_user_user_permissions
    ADD CONSTRAINT billing_user_user_pe_user_id_65bb214f_fk_billing_u FOREIGN KEY (user_id) REFERENCES public.billing_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_order
    ADD CONSTRAINT orders_order_customer_id_0b76f6a4_fk_billing_customer_id FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_order
    ADD CONSTRAINT orders_order_organization_id_7455e8e5_fk_billing_o FOREIGN KEY (organization_id) REFERENCES public.billing_organization(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_order
    ADD CONSTRAINT orders_order_renews_id_81ab7763_fk_billing_subscription_id FOREIGN KEY (renews_id) REFERENCES public.billing_subscription(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_orderline
    ADD CONSTRAINT orders_orderline_order_id_17f8f3ef_fk_orders_order_id FOREIGN KEY (order_id) REFERENCES public.orders_order(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_payment
    ADD CONSTRAINT orders_payment_order_id_bdccf250_fk_orders_order_id FOREIGN KEY (order_id) REFERENCES public.orders_order(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.orders_refund
    ADD CONSTRAINT orders_refund_payment_id_a6b07753_fk_orders_payment_order_id FOREIGN KEY (payment_id) REFERENCES public.orders_payment(order_id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.promos_promocounter
    ADD CONSTRAINT promos_promocounter_promo_code_id_c2658b8e_fk_promos_pr FOREIGN KEY (promo_code_id) REFERENCES public.promos_promocode(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.promos_redemption
    ADD CONSTRAINT promos_redemption_customer_id_eeca9fed_fk_billing_customer_id FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE procrastinate_events SET (autovacuum_analyze_threshold=1000, autovacuum_vacuum_threshold=1000);
ALTER TABLE procrastinate_jobs SET (autovacuum_analyze_threshold=1000, autovacuum_vacuum_threshold=1000);
INSERT INTO public.django_migrations (app, name, applied) VALUES ('billing', '0001_initial', '2026-11-27 04:30:37.177089+00');
INSERT INTO public.django_migrations (app, name, applied) VALUES ('orders', '0001_initial', '2026-11-27 04:30:39.115035+00');
INSERT INTO public.django_migrations (app, name, applied) VALUES ('promos', '0001_initial', '2026-11-27 04:30:39.208394+00');
