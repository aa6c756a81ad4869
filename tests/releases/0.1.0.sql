-- The database of release 0.1.0, written by: python -m tests.releases 0.1.0

SET check_function_bodies = false;
CREATE TYPE public.billing_actor AS (
	user_id text,
	role text,
	channel text,
	address inet
);
CREATE TYPE public.billing_grant AS (
	entry uuid,
	account_id bigint,
	amount_minor bigint,
	reason text,
	note text,
	redemption_id uuid,
	actor public.billing_actor
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
  customers := billing_lock_accounts(users);
  WITH asked AS MATERIALIZED (
    SELECT customer, billing_uuid7() AS id
      FROM unnest(customers) AS customer
      LEFT JOIN LATERAL (SELECT e.id FROM billing_ledgerentry e
                          WHERE e.account_id = customer AND e.reason = why_reason
                            AND e.kind = 'grant' AND e.reason LIKE 'grant:%' LIMIT 1) AS earlier ON true
     WHERE earlier.id IS NULL
  ), granted AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(id, customer, amount, why_reason, why_note, NULL, by_actor)::billing_grant) FROM asked
    HAVING count(*) > 0)
  SELECT array_agg(id), array_agg(customer) INTO made, made_for FROM asked;
  RETURN QUERY
    SELECT c.user_id::text, mine.id
      FROM unnest(made, made_for) AS mine(id, customer_id) JOIN billing_customer c ON c.id = mine.customer_id;
END $$;
CREATE FUNCTION public.billing_lock_accounts(users text[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
  locked bigint[];
BEGIN
  SELECT array_agg(mine.customer_id) INTO locked FROM (
    SELECT a.customer_id FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id
     WHERE c.user_id = ANY (users) ORDER BY a.customer_id FOR NO KEY UPDATE OF a) AS mine;
  RETURN locked;
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
  -- Unless billing_post_grants has moved and stamped it; whatever a client gives is overwritten.
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
                                   redemption_id, actor_id, actor_role, channel, address)
  SELECT entry, account_id, version, 'grant', amount_minor, balance_minor, reason, note, redemption_id,
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
CREATE FUNCTION public.orders_place_order(customer bigint, organization uuid, replaces uuid, plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb, total bigint, currency text, promo uuid, promo_text text, key text, hash text, event_data jsonb, by_actor public.billing_actor, as_of timestamp with time zone, OUT placed_order uuid, OUT balance bigint, OUT replayed boolean) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  counters bigint;
BEGIN
  SELECT written.placed_order, written.balance, written.replayed, written.counters
    INTO placed_order, balance, replayed, counters
    FROM orders_write_order(customer, organization, replaces, plan, apps, addons, addon_ids, lines, total, currency,
                            promo, promo_text, key, hash, event_data, by_actor, as_of) AS written;
  -- Last, so that a hot code's row is locked for this statement and the commit only.
  PERFORM promos_claim_or_refuse(promo, counters);
END $$;
CREATE FUNCTION public.orders_place_together(catalog uuid, promo_text text, asked jsonb) RETURNS TABLE(number bigint, placed_order uuid, balance bigint, replayed boolean)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  promo uuid;
  credit bigint := 0;
  customer bigint;
  subdomain text;
  one record;
  done record;
  claimed bigint := 0;
  counters bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM orders_catalogversion v WHERE v.id = 1 AND v.version = catalog) THEN RETURN; END IF;
  IF promo_text <> '' THEN
    SELECT p.id, p.credit_minor INTO promo, credit FROM promos_promocode p
     WHERE p.code = promo_text AND (p.max_redemptions = 0 OR jsonb_array_length(asked) <= (
             SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = p.id));
    IF NOT FOUND THEN RETURN; END IF;
  END IF;
  FOR one IN
    SELECT * FROM ROWS FROM (jsonb_to_recordset(asked) AS (
        organization uuid, plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb, total bigint, currency text,
        key text, hash text, event jsonb, actor text, role text, channel text, address inet, now timestamptz))
      WITH ORDINALITY AS each(organization, plan, apps, addons, addon_ids, lines, total, currency, key, hash, event, actor,
                              role, channel, address, now, number)
  LOOP
    SELECT c.id, o.slug INTO customer, subdomain
      FROM billing_customer c
      JOIN billing_account a ON a.customer_id = c.id AND a.balance_minor - a.held_minor + credit >= one.total
      JOIN billing_organization o ON o.id = one.organization AND o.customer_id = c.id AND o.status <> 'deleted'
     WHERE c.user_id = one.actor
       AND NOT EXISTS (SELECT FROM billing_subscription s
                        WHERE s.organization_id = o.id AND NOT (s.status IN ('canceled', 'incomplete_expired')))
       AND NOT EXISTS (SELECT FROM promos_redemption r WHERE r.promo_code_id = promo AND r.customer_id = c.id
                          AND r.status IN ('reserved', 'confirmed'))
       FOR NO KEY UPDATE OF a, o SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    SELECT * INTO done FROM orders_write_order(
      customer, one.organization, NULL, one.plan, one.apps, one.addons, one.addon_ids, one.lines,
      one.total, one.currency, promo, nullif(promo_text, ''), one.key, one.hash,
      one.event || jsonb_build_object('subdomain', subdomain),
      ROW(one.actor, one.role, one.channel, one.address)::billing_actor, one.now);
    IF promo IS NOT NULL AND NOT done.replayed THEN
      claimed := claimed + 1;
      counters := done.counters;
    END IF;
    number := one.number;
    placed_order := done.placed_order;
    balance := done.balance;
    replayed := done.replayed;
    RETURN NEXT;
  END LOOP;
  IF claimed > 0 AND counters IS DISTINCT FROM 0 AND NOT promos_claim_together(promo, claimed, counters) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
  END IF;
END $$;
CREATE FUNCTION public.orders_write_order(customer bigint, organization uuid, replaces uuid, plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb, total bigint, currency text, promo uuid, promo_text text, key text, hash text, event_data jsonb, by_actor public.billing_actor, as_of timestamp with time zone, OUT placed_order uuid, OUT balance bigint, OUT replayed boolean, OUT counters bigint) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  subscription uuid;
  ended_at_stripe text;
  earlier record;
BEGIN
  replayed := false;
  counters := 0;
  -- Races with every other checkout, grant and spend of this customer; a twin with the same key waits here too.
  PERFORM FROM billing_account WHERE customer_id = customer FOR NO KEY UPDATE;
  IF key IS NOT NULL THEN
    SELECT request_hash, order_id, balance_after_minor, session_url INTO earlier FROM orders_idempotencykey k
     WHERE k.customer_id = customer AND k.key = orders_write_order.key AND k.expires_at > as_of;
    IF FOUND THEN
      IF earlier.request_hash <> hash THEN
        RAISE check_violation USING CONSTRAINT = 'orders_idempotencykey_same_request',
          MESSAGE = 'the key was used for another request';
      END IF;
      IF earlier.balance_after_minor IS NULL OR earlier.session_url <> '' THEN
        RAISE check_violation USING CONSTRAINT = 'orders_idempotencykey_answered',
          MESSAGE = 'a request under this key is being answered elsewhere';
      END IF;
      placed_order := earlier.order_id;
      balance := earlier.balance_after_minor;
      replayed := true;
      RETURN;
    END IF;
  END IF;

  IF EXISTS (SELECT FROM orders_order o WHERE o.organization_id = organization AND o.status = 'pending') THEN
    RAISE check_violation USING CONSTRAINT = 'orders_order_one_open_per_organization',
      MESSAGE = 'an open payment must be resolved first';
  END IF;
  UPDATE billing_organization o
     SET plan_id = plan, apps = orders_write_order.apps, addons = orders_write_order.addons,
         status = CASE o.status WHEN 'pending' THEN 'provisioning' WHEN 'suspended' THEN 'active' ELSE o.status END
   WHERE o.id = organization AND o.customer_id = customer AND o.status <> 'deleted';
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'orders_place_order_stale', MESSAGE = 'the organization changed';
  END IF;
  INSERT INTO orders_order (customer_id, organization_id, plan_id, apps, addons, total_minor, credit_applied_minor,
                            currency, status, promo_code_id, promo_code, placed_by, placed_by_role, channel,
                            address, created_at, completed_at)
  VALUES (customer, organization, plan, apps, addons, total, total,
          orders_write_order.currency, 'completed', promo, coalesce(promo_text, ''), by_actor.user_id, by_actor.role,
          by_actor.channel, by_actor.address, as_of, as_of)
  RETURNING id INTO placed_order;
  INSERT INTO orders_orderline (order_id, position, kind, item_id, slug, name, price_minor)
  SELECT placed_order, line.ordinality, item->>'kind', (item->>'item_id')::uuid, item->>'slug', item->>'name',
         (item->>'price_minor')::bigint
    FROM jsonb_array_elements(lines) WITH ORDINALITY AS line (item, ordinality);

  IF replaces IS NOT NULL THEN
    UPDATE billing_subscription SET status = 'canceled', canceled_at = as_of
     WHERE id = replaces AND organization_id = organization AND status NOT IN ('canceled', 'incomplete_expired')
    RETURNING stripe_subscription_id INTO ended_at_stripe;
    UPDATE billing_invoice SET status = 'void'  -- a month of the old one that credit did not cover
     WHERE subscription_id = replaces AND stripe_invoice_id = '' AND status IN ('draft', 'open');
    IF ended_at_stripe <> '' THEN
      PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(
        'default', 'cancel_stripe_subscription', 0, NULL, NULL,
        jsonb_build_object('subscription_id', ended_at_stripe), NULL)::procrastinate_job_to_defer_v1]);
    END IF;
  END IF;
  INSERT INTO billing_subscription (customer_id, organization_id, order_id, plan_id, addon_ids, amount_minor, currency,
                                    status, paid_by, current_period_start, current_period_end)
  VALUES (customer, organization, placed_order, plan, orders_write_order.addon_ids, total, orders_write_order.currency,
          'active', 'credit', as_of, as_of + interval '1 month')
  RETURNING id INTO subscription;
  INSERT INTO billing_invoice (customer_id, organization_id, subscription_id, order_id, amount_minor, currency, status,
                               period_start, period_end)
  VALUES (customer, organization, subscription, placed_order, total, orders_write_order.currency, 'paid',
          as_of, as_of + interval '1 month');

  INSERT INTO orders_outboxevent (type, topic, source, tenant_id, order_id, data, metadata, created_at)
  VALUES ('order.placed', 'sme.order.events', 'qasima', organization, placed_order,
          event_data || jsonb_build_object('id', placed_order), '{}', as_of);
  PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(
    'default', 'provision_organization', 0, 'organization:' || organization, NULL,
    jsonb_build_object('order_id', placed_order), NULL)::procrastinate_job_to_defer_v1, ROW(
    'default', 'send_mail', 0, NULL, NULL,
    jsonb_build_object('mail', 'payment_received', 'subject_id', placed_order, 'event_id', ''),
    NULL)::procrastinate_job_to_defer_v1]);

  IF promo IS NOT NULL THEN
    SELECT opened.counters INTO counters
      FROM promos_open_redemption(promo, customer, placed_order, by_actor, as_of) AS opened;
  END IF;
  IF total > 0 THEN
    INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, order_id,
                                     actor_id, actor_role, channel, address)
    VALUES (customer, 'spend', -total, 'order-payment', placed_order,
            by_actor.user_id, by_actor.role, by_actor.channel, by_actor.address)
    RETURNING balance_after_minor INTO balance;
  ELSE
    SELECT balance_minor INTO balance FROM billing_account WHERE customer_id = customer;
  END IF;
  IF key IS NOT NULL THEN
    INSERT INTO orders_idempotencykey (customer_id, key, request_hash, order_id, balance_after_minor, created_at,
                                       expires_at)
    VALUES (customer, key, hash, placed_order, balance, as_of, as_of + interval '24 hours')
    ON CONFLICT ON CONSTRAINT orders_idempotencykey_once DO UPDATE  -- only an expired one can be here
       SET request_hash = excluded.request_hash, order_id = excluded.order_id, created_at = excluded.created_at,
           balance_after_minor = excluded.balance_after_minor, session_url = '', expires_at = excluded.expires_at;
  END IF;
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
CREATE FUNCTION public.promos_claim_or_refuse(promo uuid, counters bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF counters IS DISTINCT FROM 0 AND NOT promos_claim_slot(promo, counters) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every place is taken';
  END IF;
END $$;
CREATE FUNCTION public.promos_claim_slot(promo uuid, counters bigint DEFAULT NULL::bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  candidate bigint;
BEGIN
  IF counters = 1 THEN
    UPDATE promos_promocounter SET used = used + 1 WHERE promo_code_id = promo AND used < quota;
    RETURN FOUND;
  END IF;
  BEGIN
    UPDATE promos_promocounter SET used = used + 1
     WHERE id = (SELECT id FROM promos_promocounter WHERE promo_code_id = promo AND used < quota
                  LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN RETURN true; END IF;
    RAISE SQLSTATE 'QA000';
  EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
  END;
  LOOP
    SELECT id INTO candidate FROM promos_promocounter
     WHERE promo_code_id = promo AND used < quota ORDER BY random() LIMIT 1;
    IF NOT FOUND THEN RETURN false; END IF;
    BEGIN
      UPDATE promos_promocounter SET used = used + 1 WHERE id = candidate AND used < quota;
      IF FOUND THEN RETURN true; END IF;
      RAISE SQLSTATE 'QA000';
    EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
    END;
  END LOOP;
END $$;
CREATE FUNCTION public.promos_claim_slots(promo uuid, wanted bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
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
CREATE FUNCTION public.promos_claim_together(promo uuid, wanted bigint, counters bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  IF counters = 1 THEN
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
  RETURN promos_claim_slots(promo, wanted);
END $$;
CREATE FUNCTION public.promos_lock_key(promo uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT hashtextextended('promos_promocode:' || promo, 0) $$;
CREATE FUNCTION public.promos_open_redemption(promo uuid, customer bigint, for_order uuid, by_actor public.billing_actor, as_of timestamp with time zone, OUT redemption uuid, OUT granted bigint, OUT counters bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  found_code record;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(promos_lock_key(promo));
  SELECT code, credit_minor, max_redemptions, hot INTO found_code FROM promos_promocode
   WHERE id = promo AND active AND retired_at IS NULL
     AND (starts_at IS NULL OR starts_at <= as_of) AND (expires_at IS NULL OR as_of < expires_at);
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable',
      MESSAGE = 'the promo code changed: look at it again';
  END IF;
  granted := found_code.credit_minor;
  counters := CASE WHEN found_code.max_redemptions = 0 THEN 0 WHEN NOT found_code.hot THEN 1 END;
  INSERT INTO promos_redemption (promo_code_id, customer_id, order_id, credit_minor, status, reserved_at, confirmed_at)
  VALUES (promo, customer, for_order, granted, 'confirmed', as_of, as_of)
  RETURNING id INTO redemption;
  INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, order_id, redemption_id,
                                   actor_id, actor_role, channel, address)
  VALUES (customer, 'grant', granted, 'promo:' || found_code.code, for_order, redemption,
          by_actor.user_id, by_actor.role, by_actor.channel, by_actor.address);
END $$;
CREATE FUNCTION public.promos_redeem(promo uuid, customer bigint, by_actor public.billing_actor, as_of timestamp with time zone, OUT redemption uuid, OUT granted bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  counters bigint;
BEGIN
  -- Races with every other grant, spend and hold of this customer.
  PERFORM FROM billing_account WHERE customer_id = customer FOR NO KEY UPDATE;
  SELECT opened.redemption, opened.granted, opened.counters INTO redemption, granted, counters
    FROM promos_open_redemption(promo, customer, NULL, by_actor, as_of) AS opened;
  PERFORM promos_claim_or_refuse(promo, counters);
END $$;
CREATE FUNCTION public.promos_redeem_code(code_text text, redeemer text, redeemer_email text, by_actor public.billing_actor, as_of timestamp with time zone, OUT redemption uuid, OUT promo uuid, OUT customer bigint, OUT granted bigint) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
  known_email text;
  cap bigint;
BEGIN
  SELECT c.id, c.email INTO customer, known_email
    FROM billing_customer c JOIN billing_account a ON a.customer_id = c.id WHERE c.user_id = redeemer;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_redeem_customer_known', MESSAGE = 'nobody has acted as this user';
  END IF;
  SELECT p.id, p.max_redemptions INTO promo, cap FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable', MESSAGE = 'there is no such code';
  END IF;
  -- Exact: a counter that is full here is full of committed redemptions.
  IF cap > 0 AND NOT EXISTS (SELECT FROM promos_promocounter WHERE promo_code_id = promo AND used < quota) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every place is taken';
  END IF;
  IF redeemer_email NOT IN ('', known_email) THEN
    UPDATE billing_customer SET email = redeemer_email WHERE id = customer;
  END IF;
  SELECT redeemed.redemption, redeemed.granted INTO redemption, granted
    FROM promos_redeem(promo, customer, by_actor, as_of) AS redeemed;
END $$;
CREATE FUNCTION public.promos_redeem_many(code_text text, users text[], why text, by_actor public.billing_actor, by_email text, as_of timestamp with time zone) RETURNS TABLE(redeemer text, redemption uuid, refusal text)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  promo uuid;
  money text;
  willing text[];
  room bigint;
  chosen text[];
  customers bigint[];
  found_code record;
  made uuid[];
  made_for bigint[];
BEGIN
  SELECT p.id, p.currency INTO promo, money FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable', MESSAGE = 'there is no such code';
  END IF;
  SELECT (SELECT coalesce(array_agg(asked.user_id ORDER BY asked.place), '{}')
            FROM unnest(users) WITH ORDINALITY AS asked(user_id, place)
            LEFT JOIN billing_customer c ON c.user_id = asked.user_id
            LEFT JOIN LATERAL (SELECT r.id FROM promos_redemption r
                                WHERE r.promo_code_id = promo AND r.customer_id = c.id
                                  AND r.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
           WHERE live.id IS NULL),
         (SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = promo)
    INTO willing, room;
  chosen := willing[:least(cardinality(willing), room)::int];
  PERFORM billing_make_customers(chosen, money);
  customers := billing_lock_accounts(chosen);
  PERFORM pg_advisory_xact_lock_shared(promos_lock_key(promo));
  SELECT p.credit_minor, p.max_redemptions INTO found_code FROM promos_promocode p
   WHERE p.id = promo AND p.active AND p.retired_at IS NULL
     AND (p.starts_at IS NULL OR p.starts_at <= as_of) AND (p.expires_at IS NULL OR as_of < p.expires_at);
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable',
      MESSAGE = 'the promo code changed: look at it again';
  END IF;
  WITH redeemed AS (
    INSERT INTO promos_redemption AS r (promo_code_id, customer_id, credit_minor, status, reserved_at, confirmed_at)
    SELECT promo, customer, found_code.credit_minor, 'confirmed', as_of, as_of FROM unnest(customers) AS customer
        ON CONFLICT (promo_code_id, customer_id) WHERE status IN ('reserved', 'confirmed') DO NOTHING
    RETURNING r.id, r.customer_id
  ), granted AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(billing_uuid7(), each.customer_id, found_code.credit_minor, 'promo:' || code_text, why,
                         each.id, by_actor)::billing_grant)
      FROM redeemed AS each HAVING count(*) > 0
  )
  SELECT array_agg(each.id), array_agg(each.customer_id) INTO made, made_for FROM redeemed AS each;
  IF made IS NOT NULL THEN
    INSERT INTO billing_auditentry (action, object_type, object_id, changes, reason,
                                    actor_id, actor_role, actor_email, channel, address)
    VALUES ('promo_code.redeemed_for_many', 'promo_code', code_text,
            jsonb_build_object('redemptions', jsonb_build_array(0, cardinality(made))), why,
            by_actor.user_id, by_actor.role, by_email, by_actor.channel, by_actor.address);
    IF found_code.max_redemptions > 0 AND NOT promos_claim_slots(promo, cardinality(made)) THEN
      RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
    END IF;
  END IF;
  RETURN QUERY
    SELECT c.user_id::text, mine.id, NULL
      FROM unnest(made, made_for) AS mine(id, customer_id) JOIN billing_customer c ON c.id = mine.customer_id
     UNION ALL
    SELECT late.user_id, NULL, 'promos_promocode_exhausted'
      FROM unnest(willing[cardinality(chosen) + 1:]) AS late(user_id);
END $$;
CREATE FUNCTION public.promos_redeem_together(code_text text, asked jsonb, OUT promo uuid, OUT granted bigint, OUT places bigint[], OUT customers bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  locked record;
  capped boolean;
  hot boolean;
BEGIN
  SELECT p.id, pg_advisory_xact_lock_shared(promos_lock_key(p.id)) INTO locked
    FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN RETURN; END IF;
  promo := locked.id;
  WITH mine AS MATERIALIZED (
    SELECT who.*, a.customer_id
      FROM ROWS FROM (jsonb_to_recordset(asked) AS (
             redemption uuid, entry uuid, "user" text, email text, role text, channel text, address inet,
             moment timestamptz)) WITH ORDINALITY
             AS who(redemption, entry, user_id, email, role, channel, address, moment, place)
      JOIN billing_customer c ON c.user_id = who.user_id AND who.email IN ('', c.email)
      JOIN billing_account a ON a.customer_id = c.id
      LEFT JOIN LATERAL (SELECT r.id FROM promos_redemption r
                          WHERE r.promo_code_id = promo AND r.customer_id = c.id
                            AND r.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
     WHERE live.id IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED
  ), company AS (
    SELECT min(moment) AS first, max(moment) AS last, count(*) AS number FROM mine
  ), terms AS MATERIALIZED (
    SELECT p.credit_minor, p.max_redemptions, p.hot FROM promos_promocode p, company
     WHERE p.id = promo AND p.active AND p.retired_at IS NULL
       AND (p.starts_at IS NULL OR p.starts_at <= company.first)
       AND (p.expires_at IS NULL OR p.expires_at > company.last)
       AND (p.max_redemptions = 0 OR company.number <= (
             SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = p.id))
  ), redeemed AS (
    INSERT INTO promos_redemption (id, promo_code_id, customer_id, credit_minor, status, reserved_at, confirmed_at)
    SELECT redemption, promo, customer_id, credit_minor, 'confirmed', moment, moment FROM terms, mine
  ), credited AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(entry, customer_id, credit_minor, 'promo:' || code_text, '', redemption,
                         ROW(user_id, role, channel, address)::billing_actor)::billing_grant)
      FROM terms, mine HAVING count(*) > 0
  )
  SELECT min(terms.credit_minor), bool_and(terms.max_redemptions > 0), bool_and(terms.hot),
         array_agg(mine.place), array_agg(mine.customer_id)
    INTO granted, capped, hot, places, customers FROM terms, mine;
  IF capped AND NOT promos_claim_together(promo, cardinality(places), CASE WHEN NOT hot THEN 1 END) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
  END IF;
END $$;
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
    -- Row k has its part of the places in use and of the free ones, the first rows one more of each.
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
        MESSAGE = 'no place is in use';
    END IF;
    BEGIN
      UPDATE promos_promocounter SET used = used - 1 WHERE id = candidate AND used > 0;
      IF FOUND THEN RETURN; END IF;
      RAISE SQLSTATE 'QA000';
    EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
    END;
  END LOOP;
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
    pdf_url character varying(200) DEFAULT ''::character varying NOT NULL,
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
CREATE TABLE public.orders_idempotencykey (
    id bigint NOT NULL,
    key character varying(255) NOT NULL,
    request_hash character varying(64) NOT NULL,
    order_id uuid NOT NULL,
    balance_after_minor bigint,
    session_url text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    customer_id bigint NOT NULL,
    CONSTRAINT orders_idempotencykey_expires_later CHECK ((created_at < expires_at)),
    CONSTRAINT orders_idempotencykey_key_given CHECK ((NOT ((key)::text = ''::text)))
)
WITH (autovacuum_analyze_threshold='1000', autovacuum_vacuum_threshold='1000');
ALTER TABLE public.orders_idempotencykey ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.orders_idempotencykey_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
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
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d5be-7765-8c1b-20599e48c5db', 'promo_code.issued', 'promo_code', 'WELCOME', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 50000], "max_redemptions": [null, 5]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:36.958221+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d5c8-72cf-88ec-a784eafc8a61', 'promo_code.issued', 'promo_code', 'HOT', '{"hot": [null, true], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 20]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:36.968444+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d5d1-7428-8452-400126aa5695', 'promo_code.issued', 'promo_code', 'OPEN', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:36.97675+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d5d9-78f7-9e69-5f49ef9d2334', 'promo_code.issued', 'promo_code', 'FULL', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 1]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:36.985234+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d5f4-7c24-b0d2-3fdc27711944', 'promo_code.issued', 'promo_code', 'PAUSED', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.011698+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d60c-7e4e-984f-3c77fa16bd3f', 'promo_code.paused', 'promo_code', 'PAUSED', '{"active": [true, false]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.035962+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d613-7edd-a609-1c92d7a03521', 'promo_code.issued', 'promo_code', 'RETIRED', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.04269+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d624-7070-be26-4c1b0a97199a', 'promo_code.retired', 'promo_code', 'RETIRED', '{"retired_at": [null, "2026-11-27T03:21:37.048405+00:00"]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.060129+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d6ce-726a-b771-8940924bdd88', 'promo_code.issued', 'promo_code', 'LATER', '{"hot": [null, false], "active": [null, true], "starts_at": [null, null], "expires_at": [null, null], "description": [null, ""], "credit_minor": [null, 10000], "max_redemptions": [null, 0]}', '', 'superadmin', 'superadmin', 'superadmin@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.229886+00');
INSERT INTO public.billing_auditentry VALUES ('01a21b05-d6e6-70d4-b3b4-0490a7021be0', 'organization.deleted', 'organization', '01a21b05-d6df-7a22-a346-fdaddbd0b02c', '{"status": ["pending", "deleted"]}', '', 'bob', 'customer', 'bob@example.org', 'api', '192.0.2.7', '2026-11-27 03:21:37.25402+00');
INSERT INTO public.billing_customer VALUES (1, 'ada', 'ada@example.org', '', '2026-11-27 03:21:37.067856+00');
INSERT INTO public.billing_customer VALUES (2, 'bob', 'bob@example.org', '', '2026-11-27 03:21:37.145538+00');
INSERT INTO public.billing_customer VALUES (3, 'carol', 'carol@example.org', '', '2026-11-27 03:21:37.261197+00');
INSERT INTO public.billing_customer VALUES (4, 'dave', 'dave@example.org', '', '2026-11-27 03:21:37.268028+00');
INSERT INTO public.billing_hold VALUES ('01a21b05-d6a2-7923-ad36-e0ef0abbcab1', '00000000-0000-0000-0000-000000000001', 5000, 'active', '2026-11-27 03:21:37.185613+00', NULL, 2);
INSERT INTO public.billing_hold VALUES ('01a21b05-d6a5-7afa-a234-263e9d924c78', '00000000-0000-0000-0000-000000000002', 5000, 'released', '2026-11-27 03:21:37.188699+00', '2026-11-27 03:21:37.204773+00', 2);
INSERT INTO public.billing_hold VALUES ('01a21b05-d6a7-7e35-9001-738cd72d9e1d', '00000000-0000-0000-0000-000000000003', 5000, 'captured', '2026-11-27 03:21:37.190912+00', '2026-11-27 03:21:37.212634+00', 2);
INSERT INTO public.billing_installedsql VALUES ('billing/models/keys.sql', 'f37083c5e88ab77f10b2b4a0b14f5ecbb3fafc818fb93d027a0420a9d4413cd4');
INSERT INTO public.billing_installedsql VALUES ('billing/models/storage.sql', '8f8941ca4e3d8df891a07fd111c2238a6f5910be9ac174f8a0a0d9d923152647');
INSERT INTO public.billing_installedsql VALUES ('billing/models/ledger.sql', 'a3b398023dbd043ce52437b80c68f731201ddda958be0a551aa5e7365d442243');
INSERT INTO public.billing_installedsql VALUES ('billing/models/transitions.sql', '31fe7edb15e8dd701625a9eebd5222c5ebf7db0c77010c74c6ab121a87f77f6f');
INSERT INTO public.billing_installedsql VALUES ('billing/use_cases/grant_many.sql', '52eba96f769d45e908414b3fd05cd92ec81480c88f2fb2c6ca2956a647707303');
INSERT INTO public.billing_installedsql VALUES ('promos/models/storage.sql', 'dd07bc6688b4b1d474be3c017ae5a27117a596f28ab8c268fd565cd9ab0427aa');
INSERT INTO public.billing_installedsql VALUES ('promos/models/promos.sql', 'd5704914a717a2506f0798f456ae69b74769cc0752dc146164d473e870ab3c59');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/claim_place.sql', 'a28e486015d2c8b74d996cb402ba199c06d2779443c5acbb718112bf90ba2dbf');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/redeem.sql', '7ac2a3bedfe0e8f646a8578d4d31ed5f578762a78a833d54ae29a8db3de3ac19');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/redeem_many.sql', '82ce7da4279ba24fc381b802bd4066026219c136d7ee24ea8446c6886583b4be');
INSERT INTO public.billing_installedsql VALUES ('promos/use_cases/redeem_together.sql', '12b9b293c10c5465c4ae79f48df3dff77fa4c75a01bf1c70173be589c385d6d4');
INSERT INTO public.billing_installedsql VALUES ('orders/models/storage.sql', 'b207f74023c25822e6cf65250466105eb0f8a21848b20d307bee7be5ab413993');
INSERT INTO public.billing_installedsql VALUES ('orders/models/transitions.sql', '17f87518a5731cbeb97ff74b1fdbe8f80229c3531d2e279f65610ee9fe6abe55');
INSERT INTO public.billing_installedsql VALUES ('orders/models/catalog.sql', '86730ef9e9a73d4b58fdc34affcd35fb44706d4e80174af8fdb97880f4545323');
INSERT INTO public.billing_installedsql VALUES ('orders/use_cases/checkout/place_order.sql', '6d39af29c82cea4e6dc21268ceee35e2d20c6917ce753b45efe3f4441dff9470');
INSERT INTO public.billing_installedsql VALUES ('orders/use_cases/checkout/place_together.sql', '5fdb7ebeec64064545538467e6ca77810b17d453eebea0d4c29de58a17b8d645');
INSERT INTO public.billing_invoice VALUES ('01a21b05-d64a-75dd-bd88-619f78b64577', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', 12000, 'OMR', 'paid', '2026-11-27 03:21:37.080917+00', '2026-12-27 03:21:37.080917+00', '', '', '2026-11-27 03:21:37.087709+00', 1, '01a21b05-d638-79a7-a229-32e97e092d79', '01a21b05-d649-74ec-b221-fd77b0978fe2');
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d65b-7921-8d1d-2de4ef55d4af', 1, 'grant', 50000, 50000, 'promo:WELCOME', '', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', '01a21b05-d656-796e-95a4-3ff28bdee177', 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.087709+00', NULL, 1);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d65b-7dac-b2c2-c6494233d950', 2, 'spend', -12000, 38000, 'order-payment', '', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', NULL, 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.087709+00', NULL, 1);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d67f-7f5a-8f5e-19dd585ffd9f', 1, 'adjustment', 20000, 20000, 'adjustment', 'credit for a test', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 03:21:37.151406+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d681-785a-acb8-46005210c64b', 2, 'adjustment', 7000, 27000, 'adjustment', 'meant for Ada', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 03:21:37.152761+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d691-7e4a-84d1-1d7c9388a5e5', 3, 'reversal', -7000, 20000, 'reversal:adjustment', 'wrong customer', NULL, NULL, 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 03:21:37.169459+00', '01a21b05-d681-785a-acb8-46005210c64b', 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d6c3-7f4c-9b11-fd84372e57ca', 4, 'spend', -5000, 15000, 'order-payment', '', '00000000-0000-0000-0000-000000000003', NULL, 'bob', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.218634+00', NULL, 2);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d6f1-7b2d-b1a8-250139a12294', 1, 'grant', 10000, 10000, 'promo:FULL', '', NULL, '01a21b05-d6f1-70c7-85ed-80f70bd83b69', 'carol', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.263057+00', NULL, 3);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d6f7-7221-8e7d-8b9c2f4f96c0', 1, 'grant', 50000, 50000, 'promo:WELCOME', '', NULL, '01a21b05-d6f7-76ac-90ff-2d00f6e61f6e', 'dave', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.270151+00', NULL, 4);
INSERT INTO public.billing_ledgerentry VALUES ('01a21b05-d701-7b99-baf6-5ada28b65e26', 2, 'reversal', -50000, 0, 'reversal:promo:WELCOME', 'by mistake', NULL, '01a21b05-d6f7-76ac-90ff-2d00f6e61f6e', 'superadmin', 'superadmin', 'api', '192.0.2.7', '2026-11-27 03:21:37.281412+00', '01a21b05-d6f7-7221-8e7d-8b9c2f4f96c0', 4);
INSERT INTO public.billing_organization VALUES ('01a21b05-d638-79a7-a229-32e97e092d79', 'acme', 'Acme', 'e84920bd-e726-4997-8a50-d04a99a59b89', '[]', '["backup"]', 'active', '2026-11-27 03:21:37.080062+00', NULL, 1);
INSERT INTO public.billing_organization VALUES ('01a21b05-d6df-7a22-a346-fdaddbd0b02c', 'gone', 'Gone', NULL, '[]', '[]', 'deleted', '2026-11-27 03:21:37.246836+00', '2026-11-27 03:21:37.247408+00', 2);
INSERT INTO public.billing_organization VALUES ('01a21b05-d6eb-7fc7-9851-36fbd53c468d', 'bobs', 'Bobs', NULL, '[]', '[]', 'pending', '2026-11-27 03:21:37.258612+00', NULL, 2);
INSERT INTO public.billing_subscription VALUES ('01a21b05-d649-74ec-b221-fd77b0978fe2', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', 'e84920bd-e726-4997-8a50-d04a99a59b89', '["4049283a-0903-4404-9b80-688d01c0c303"]', 12000, 'OMR', 'active', 'credit', '2026-11-27 03:21:37.080917+00', '2026-12-27 03:21:37.080917+00', NULL, '', NULL, NULL, '2026-11-27 03:21:37.087709+00', 1, '01a21b05-d638-79a7-a229-32e97e092d79');
INSERT INTO public.billing_user VALUES (1, '', NULL, false, 'first@example.org', '', '', 'first@example.org', false, true, '2026-11-27 03:21:37.283469+00', 'first');
INSERT INTO public.billing_user VALUES (2, '', NULL, false, 'second@example.org', '', '', 'second@example.org', false, true, '2026-11-27 03:21:37.284407+00', 'second');
INSERT INTO public.orders_addon VALUES ('4049283a-0903-4404-9b80-688d01c0c303', 'backup', 'Backup', true, '', 3000, false, 'reliability');
INSERT INTO public.orders_addon VALUES ('1771c496-6411-41b4-a962-2600f626eafe', 'waf', 'Waf', true, '', 0, true, 'reliability');
INSERT INTO public.orders_app VALUES ('9654d14c-ba8f-4439-baee-0469ce71c758', 'one', 'One', true, '', '', 'cms', '', '', true, false, false, '[]', '', '', '[]', false, 'app', false, true, '', '', 0, 0, 0);
INSERT INTO public.orders_app VALUES ('128dfd56-e6a5-4d5e-b0db-a9065c799613', 'two', 'Two', true, '', '', 'cms', '', '', true, false, false, '[]', '', '', '[]', false, 'app', false, true, '', '', 0, 0, 0);
INSERT INTO public.orders_bundle VALUES ('b70494eb-41e5-4644-bc29-606ea18831a0', 'one', 'One', true, '', '[]', 0, '');
INSERT INTO public.orders_bundle VALUES ('2b938ade-dd4a-4730-8431-03c2b3c03dec', 'two', 'Two', true, '', '[]', 0, '');
INSERT INTO public.orders_catalogversion VALUES (1, 'b37ae24b-00a3-4f3a-9390-5af7bbfaedb5');
INSERT INTO public.orders_idempotencykey VALUES (1, 'first', 'hash', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', 38000, '', '2026-11-27 03:21:37.080917+00', '2026-11-28 03:21:37.080917+00', 1);
INSERT INTO public.orders_industry VALUES ('ac5a8ad7-a5e6-4caa-a310-1ac869ae6864', 'one', 'One', true, '', '', 0, '[]', '');
INSERT INTO public.orders_industry VALUES ('0a6817d3-9bab-4ab9-98ee-1c743598afd1', 'two', 'Two', true, '', '', 0, '[]', '');
INSERT INTO public.orders_order VALUES ('01a21b05-d641-7795-9c0b-f6ae2c73df4b', 'e84920bd-e726-4997-8a50-d04a99a59b89', '[]', '["backup"]', 12000, 12000, 'OMR', 'completed', 'purchase', NULL, '01a21b05-d5b5-708e-9529-61389ce135e4', 'WELCOME', 'ada', 'customer', 'api', '192.0.2.7', '2026-11-27 03:21:37.080917+00', '2026-11-27 03:21:37.080917+00', 1, '01a21b05-d638-79a7-a229-32e97e092d79', NULL);
INSERT INTO public.orders_orderline VALUES (1, 1, 'plan', 'e84920bd-e726-4997-8a50-d04a99a59b89', 'm', 'M', 9000, '01a21b05-d641-7795-9c0b-f6ae2c73df4b');
INSERT INTO public.orders_orderline VALUES (2, 2, 'addon', '4049283a-0903-4404-9b80-688d01c0c303', 'backup', 'Backup', 3000, '01a21b05-d641-7795-9c0b-f6ae2c73df4b');
INSERT INTO public.orders_outboxevent VALUES ('01a21b05-d64a-7039-9a38-289e95753adc', 'order.placed', 'sme.order.events', 'qasima', '01a21b05-d638-79a7-a229-32e97e092d79', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', '{"id": "01a21b05-d641-7795-9c0b-f6ae2c73df4b", "apps": [], "addons": ["backup"], "status": "completed", "plan_id": "e84920bd-e726-4997-8a50-d04a99a59b89", "currency": "OMR", "subdomain": "acme", "tenant_id": "01a21b05-d638-79a7-a229-32e97e092d79", "amount_omr": 12, "customer_id": "ada", "amount_baisa": 12000, "amount_minor": 12000}', '{}', '2026-11-27 03:21:37.080917+00', NULL);
INSERT INTO public.orders_outboxevent VALUES ('01a21b05-d676-7ccf-ab52-19c68c52b947', 'tenant.created', 'sme.tenant.events', 'qasima', '01a21b05-d638-79a7-a229-32e97e092d79', NULL, '{"id": "01a21b05-d638-79a7-a229-32e97e092d79", "apps": [], "name": "Acme", "slug": "acme", "addons": ["backup"], "status": "active", "plan_id": "e84920bd-e726-4997-8a50-d04a99a59b89", "subdomain": "acme", "customer_id": "ada"}', '{}', '2026-11-27 03:21:37.142083+00', NULL);
INSERT INTO public.orders_outboxevent VALUES ('01a21b05-d6e5-7b1f-bcf0-9744af948736', 'tenant.deleted', 'sme.tenant.events', 'qasima', '01a21b05-d6df-7a22-a346-fdaddbd0b02c', NULL, '{"id": "01a21b05-d6df-7a22-a346-fdaddbd0b02c", "apps": [], "name": "Gone", "slug": "gone", "addons": [], "status": "deleted", "plan_id": null, "subdomain": "gone", "customer_id": "bob"}', '{}', '2026-11-27 03:21:37.253462+00', NULL);
INSERT INTO public.orders_plan VALUES ('e84920bd-e726-4997-8a50-d04a99a59b89', 'm', 'M', true, '', '2 vCPU', '4 GB', '25 GB', 9000, false, 0, '[]', '');
INSERT INTO public.orders_plan VALUES ('df8c2599-a4ed-45db-99a8-c43c0684b767', 'l', 'L', true, '', '2 vCPU', '4 GB', '25 GB', 16000, false, 0, '[]', '');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d5b5-708e-9529-61389ce135e4', 'WELCOME', 50000, 'OMR', '', true, 5, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:36.948691+00', '2026-11-27 03:21:36.955052+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d5c6-78ef-b553-26897b42de13', 'HOT', 10000, 'OMR', '', true, 20, true, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:36.96549+00', '2026-11-27 03:21:36.967521+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d5cf-7e2e-8d7b-89012c200eea', 'OPEN', 10000, 'OMR', '', true, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:36.975186+00', '2026-11-27 03:21:36.975896+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d5d7-7251-86e2-e1d9b040726f', 'FULL', 10000, 'OMR', '', true, 1, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:36.98345+00', '2026-11-27 03:21:36.984261+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d5f2-7e5b-8b40-eaebb1016f88', 'PAUSED', 10000, 'OMR', '', false, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:37.009782+00', '2026-11-27 03:21:37.033878+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d610-7cd6-b143-7576030aba9d', 'RETIRED', 10000, 'OMR', '', true, 0, false, NULL, NULL, '2026-11-27 03:21:37.048405+00', 'superadmin', '2026-11-27 03:21:37.039781+00', '2026-11-27 03:21:37.058056+00');
INSERT INTO public.promos_promocode VALUES ('01a21b05-d6ca-7a03-8f90-c7604eb61b34', 'LATER', 10000, 'OMR', '', true, 0, false, NULL, NULL, NULL, 'superadmin', '2026-11-27 03:21:37.225818+00', '2026-11-27 03:21:37.227997+00');
INSERT INTO public.promos_promocounter VALUES (2, 2, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (3, 2, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (4, 2, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (5, 2, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (6, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (7, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (8, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (9, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (10, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (11, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (1, 5, 1, '01a21b05-d5b5-708e-9529-61389ce135e4');
INSERT INTO public.promos_promocounter VALUES (12, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (13, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (14, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (15, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (16, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (17, 1, 0, '01a21b05-d5c6-78ef-b553-26897b42de13');
INSERT INTO public.promos_promocounter VALUES (18, 1, 1, '01a21b05-d5d7-7251-86e2-e1d9b040726f');
INSERT INTO public.promos_redemption VALUES ('01a21b05-d656-796e-95a4-3ff28bdee177', '01a21b05-d641-7795-9c0b-f6ae2c73df4b', 50000, 'confirmed', '2026-11-27 03:21:37.080917+00', '2026-11-27 03:21:37.080917+00', NULL, '', 1, '01a21b05-d5b5-708e-9529-61389ce135e4');
INSERT INTO public.promos_redemption VALUES ('01a21b05-d6da-71cd-9494-4fae2b7c092b', '00000000-0000-0000-0000-000000000004', 10000, 'reserved', '2026-11-27 03:21:37.236711+00', NULL, NULL, '', 2, '01a21b05-d6ca-7a03-8f90-c7604eb61b34');
INSERT INTO public.promos_redemption VALUES ('01a21b05-d6f1-70c7-85ed-80f70bd83b69', NULL, 10000, 'confirmed', '2026-11-27 03:21:37.262579+00', '2026-11-27 03:21:37.262579+00', NULL, '', 3, '01a21b05-d5d7-7251-86e2-e1d9b040726f');
INSERT INTO public.promos_redemption VALUES ('01a21b05-d6f7-76ac-90ff-2d00f6e61f6e', NULL, 50000, 'released', '2026-11-27 03:21:37.269959+00', '2026-11-27 03:21:37.269959+00', '2026-11-27 03:21:37.281903+00', 'by mistake', 4, '01a21b05-d5b5-708e-9529-61389ce135e4');
SELECT pg_catalog.setval('public.billing_customer_id_seq', 4, true);
SELECT pg_catalog.setval('public.billing_user_groups_id_seq', 1, false);
SELECT pg_catalog.setval('public.billing_user_id_seq', 2, true);
SELECT pg_catalog.setval('public.billing_user_user_permissions_id_seq', 1, false);
SELECT pg_catalog.setval('public.orders_idempotencykey_id_seq', 1, true);
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
ALTER TABLE ONLY public.orders_idempotencykey
    ADD CONSTRAINT orders_idempotencykey_once UNIQUE (customer_id, key);
ALTER TABLE ONLY public.orders_idempotencykey
    ADD CONSTRAINT orders_idempotencykey_pkey PRIMARY KEY (id);
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
ALTER TABLE ONLY public.orders_idempotencykey
    ADD CONSTRAINT orders_idempotencyke_customer_id_f77f7fcd_fk_billing_c FOREIGN KEY (customer_id) REFERENCES public.billing_customer(id) DEFERRABLE INITIALLY DEFERRED;
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
INSERT INTO public.django_migrations (app, name, applied) VALUES ('billing', '0001_initial', '2026-11-27 03:18:15.742608+00');
INSERT INTO public.django_migrations (app, name, applied) VALUES ('orders', '0001_initial', '2026-11-27 03:18:25.522523+00');
INSERT INTO public.django_migrations (app, name, applied) VALUES ('promos', '0001_initial', '2026-11-27 03:18:26.081804+00');
