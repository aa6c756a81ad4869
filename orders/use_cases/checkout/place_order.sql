-- T1 of a checkout that credit covers: everything in one statement, so in one transaction and one round trip.
-- Installed by every migrate. called by place_order.py, which decided all there is to decide: prices,
-- eligibility, what to say. Here is only what must be true under the locks, and the writes.
--
-- Locks, in the service's order: the account, the code's advisory lock (shared), the code's counter as the very
-- last statement. The order is new and the organization is the customer's own, so both wait for nobody else.
--
-- Refuses by constraint name, and a refusal leaves nothing behind:
--   orders_place_order_stale                what the caller saw has changed: look again
--   orders_idempotencykey_same_request      the key was used for another request
--   orders_idempotencykey_answered          a request under the key is still being answered
--   orders_order_one_open_per_organization  an open payment of the organization must be resolved first
--   billing_account_balance_covers_held     the credit does not cover the total
--   promos_promocode_redeemable, promos_redemption_once_per_customer, promos_promocode_exhausted

-- All of it but the claim of the code's place, which whoever calls it makes his last statement; `counters` is what
-- promos_claim_or_refuse wants to know.
CREATE OR REPLACE FUNCTION orders_write_order(
  customer bigint, organization uuid, replaces uuid,           -- the live subscription that the caller saw
  plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb,
  total bigint, currency text, promo uuid, promo_text text,
  key text, hash text, event_data jsonb, by_actor billing_actor, as_of timestamptz,
  OUT placed_order uuid, OUT balance bigint, OUT replayed boolean, OUT counters bigint
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

-- The order of one customer.
CREATE OR REPLACE FUNCTION orders_place_order(
  customer bigint, organization uuid, replaces uuid, plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb,
  total bigint, currency text, promo uuid, promo_text text,
  key text, hash text, event_data jsonb, by_actor billing_actor, as_of timestamptz,
  OUT placed_order uuid, OUT balance bigint, OUT replayed boolean
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
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
