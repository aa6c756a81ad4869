-- Inserts years of history by whole sets instead of one checkout after another; used by large_history.py.
--
-- There are ten entries per customer, one in each of ten rounds: seven redemptions, each of another code, and three
-- orders, each of which replaces the one before. In a round all customers act in turn, so one customer's rows lie far
-- apart. All redundant figures agree: entries with versions and balances, accounts, counters with redemptions. Only
-- the last orders have jobs and idempotency keys; the others were pruned.

-- The codes belong to these campaigns in turn; a code beyond them has none. Each has one counter of its budget.
CREATE TEMP TABLE grown_campaign (number bigint, id uuid);
-- In the n-th round of redemptions, counted from 0, customers redeem this voucher or the next card of this batch, in
-- place of a code of their own.
CREATE TEMP TABLE shared_use (nth bigint, promo_code_id uuid, first_serial bigint, cards bigint);

-- A UUID of version 7 with the time of its row; the same arguments give the same key.
CREATE FUNCTION pg_temp.key(kind text, at timestamptz, n bigint) RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT overlay(overlay(md5(kind || n)
           PLACING lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' FROM 1 FOR 13)
           PLACING '8' FROM 17 FOR 1)::uuid
$$;

CREATE FUNCTION pg_temp.grow(entries bigint, codes bigint, spare bigint) RETURNS void LANGUAGE plpgsql
SET session_replication_role = replica SET synchronous_commit = off SET work_mem = '256MB' AS $$
DECLARE
  rounds CONSTANT bigint := 10;
  acted CONSTANT bigint := entries / rounds;
  customers CONSTANT bigint := greatest(acted, spare);
  span CONSTANT interval := interval '700 days';
  began CONSTANT timestamptz := date_trunc('second', now()) - span;
  step CONSTANT double precision := extract(epoch FROM span) / (rounds * acted + 1);
  code_step CONSTANT double precision := extract(epoch FROM span) / (codes + 1);
  -- From this customer on the last order is so new that its job and its key are kept.
  recent CONSTANT bigint := acted - acted / 5;
BEGIN
  CREATE TEMP TABLE act ON COMMIT DROP AS
  SELECT round, round + 1 AS version, kind, nth,
         CASE kind WHEN 'grant' THEN 10000 ELSE -9500 END AS amount_minor,
         sum(CASE kind WHEN 'grant' THEN 10000 ELSE -9500 END) OVER (ORDER BY round) AS balance_minor
    FROM (SELECT round, CASE WHEN round % 3 = 2 THEN 'spend' ELSE 'grant' END AS kind,
                 CASE WHEN round % 3 = 2 THEN round / 3 ELSE round - (round + 1) / 3 END AS nth
            FROM generate_series(0, rounds - 1) AS round) AS each;

  INSERT INTO billing_customer (id, user_id, email, created_at)
  SELECT n + 1, 'c-' || n, 'c-' || n || '@example.org', began + interval '1 microsecond' * n
    FROM generate_series(0, customers - 1) AS n;
  PERFORM setval(pg_get_serial_sequence('billing_customer', 'id'), customers);
  INSERT INTO billing_account (customer_id, currency, balance_minor, version)
  SELECT n + 1, 'OMR', CASE WHEN n < acted THEN (SELECT balance_minor FROM act ORDER BY round DESC LIMIT 1) ELSE 0 END,
         CASE WHEN n < acted THEN rounds ELSE 0 END
    FROM generate_series(0, customers - 1) AS n;
  INSERT INTO billing_organization (id, customer_id, slug, name, apps, addons, plan_id, status, created_at)
  SELECT pg_temp.key('organization', began, n), n + 1, 'o-' || n, 'Organization ' || n, '[]', '[]',
         pg_temp.key('plan', began, 0), 'active', began + interval '1 microsecond' * n
    FROM generate_series(0, acted - 1) AS n;
  INSERT INTO billing_organizationmember (organization_id, customer_id, email, role, joined_at)
  SELECT pg_temp.key('organization', began, n), CASE WHEN n % 10 > 0 THEN (n + 1) % customers + 1 END,
         'member-' || n || '@example.org', 'viewer', began
    FROM generate_series(0, acted - 1) AS n;

  INSERT INTO promos_promocode (id, code, credit_minor, currency, max_redemptions, hot, campaign_id, issued_by, created_at,
                                updated_at)
  SELECT pg_temp.key('code', at, n), 'GROWN-' || n, 10000, 'OMR', CASE WHEN n % 10 = 9 THEN 0 ELSE 1000000 END,
         n % 1000 = 1, coalesce(c.id, '00000000-0000-7000-8000-000000000001'), 'issuer', at, at
    FROM generate_series(0, codes - 1) AS n
   CROSS JOIN LATERAL (SELECT began + make_interval(secs => n * code_step) AS at) AS t
    LEFT JOIN grown_campaign AS c ON c.number = n % (SELECT 2 * greatest(count(*), 1) FROM grown_campaign);
  INSERT INTO billing_auditentry (action, object_type, object_id, changes, actor_id, actor_role, channel, created_at)
  SELECT 'promocode.issued', 'promocode', id, '{}', 'issuer', 'superadmin', 'api', created_at FROM promos_promocode
   WHERE code LIKE 'GROWN-%';

  CREATE TEMP TABLE entry_of_round (LIKE billing_ledgerentry INCLUDING DEFAULTS) ON COMMIT DROP;
  CREATE TEMP TABLE hash_of_account (account_id bigint, hash bytea) ON COMMIT DROP;
  -- Each round inserts its rows into every table.
  FOR i IN 0 .. rounds - 1 LOOP
    PERFORM pg_temp.grow_round(i, acted, codes, began, step, code_step);
  END LOOP;

  ANALYZE promos_promocode, promos_redemption;
  INSERT INTO promos_promocounter (promo_code_id, quota, used)
  SELECT p.id, p.max_redemptions / k.counters, coalesce(r.used, 0) / k.counters
                                              + (k.nth <= coalesce(r.used, 0) % k.counters)::int
    FROM promos_promocode AS p
    LEFT JOIN (SELECT promo_code_id, count(*) AS used FROM promos_redemption GROUP BY 1) AS r ON r.promo_code_id = p.id
   CROSS JOIN LATERAL (SELECT nth, CASE WHEN p.hot THEN 16 ELSE 1 END AS counters
                         FROM generate_series(1, CASE WHEN p.hot THEN 16 ELSE 1 END) AS nth) AS k
   WHERE p.max_redemptions > 0 AND p.code LIKE 'GROWN-%';

  UPDATE promos_budgetcounter AS b SET used = r.minor
    FROM (SELECT p.campaign_id, sum(r.credit_minor) AS minor
            FROM promos_redemption AS r JOIN promos_promocode AS p ON p.id = r.promo_code_id GROUP BY 1) AS r
   WHERE r.campaign_id = b.campaign_id;

  ANALYZE orders_order;
  INSERT INTO billing_idempotencykey (customer_id, key, request_hash, result_id, balance_after_minor, created_at, expires_at)
  SELECT customer_id, 'key-' || id, md5(id::text) || md5(id::text), id, 31500, created_at, created_at + interval '24 hours'
    FROM orders_order WHERE customer_id > recent AND created_at >= began + make_interval(secs => step * acted * 8);
  INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)
  SELECT 'default', task, jsonb_build_object('order_id', result_id), 'succeeded', 1
    FROM billing_idempotencykey CROSS JOIN unnest(ARRAY['provision_organization', 'send_mail']) AS task;
  INSERT INTO procrastinate_events (job_id, type, at)
  SELECT id, type, now() - interval '1 day'
    FROM procrastinate_jobs CROSS JOIN unnest(ARRAY['deferred', 'started', 'succeeded']::procrastinate_job_event_type[]) AS type;
  INSERT INTO billing_ratelimitwindow (key, hits, ends_at)
  SELECT md5(n::text) || md5(n::text), 1, now() + interval '1 minute' FROM generate_series(0, acted / 5) AS n;
  INSERT INTO billing_formsubmission (form_id, submitted_at, expires_at)
  SELECT pg_temp.key('form', now(), n), now(), now() + interval '12 hours' FROM generate_series(0, acted / 5) AS n;
  INSERT INTO billing_signincode (email, key, expires_at)
  SELECT 'c-' || n || '@example.org', pg_temp.key('code', now(), n), now() + interval '5 minutes'
    FROM generate_series(0, acted / 5) AS n;
  INSERT INTO billing_user (username, sub, password, first_name, last_name, email, is_staff, is_active, is_superuser,
    date_joined)
  VALUES ('c-1', 'c-1', '!', '', '', '', false, true, false, began);
  INSERT INTO billing_signinsession (user_id, method)
  SELECT id, 'code' FROM billing_user CROSS JOIN generate_series(0, acted / 5) WHERE username = 'c-1';
  INSERT INTO billing_refreshtoken (session_id, token_hash, expires_at)
  SELECT id, md5(id::text) || md5(id::text), now() + interval '30 days' FROM billing_signinsession;
  INSERT INTO orders_break (kind, object_id, details, opened_at, closed_at, closed_by)
  SELECT 'dispute', 'dp_' || n, '{}', began + interval '1 second' * n, now(), 'someone'
    FROM generate_series(0, acted / 5) AS n;
END $$;

CREATE FUNCTION pg_temp.grow_round(
  this bigint, acted bigint, codes bigint, began timestamptz, step double precision, code_step double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  now_at record;
  first_of_round CONSTANT bigint := this * acted;
  plan CONSTANT uuid := pg_temp.key('plan', began, 0);
BEGIN
  SELECT * INTO now_at FROM act WHERE round = this;
  TRUNCATE entry_of_round;
  INSERT INTO entry_of_round (id, account_id, version, kind, amount_minor, balance_after_minor, reason, order_id,
                              redemption_id, actor_id, actor_role, channel, address, created_at)
  SELECT pg_temp.key('entry', at, k), n + 1, now_at.version, now_at.kind, now_at.amount_minor, now_at.balance_minor,
         CASE now_at.kind WHEN 'grant' THEN 'promo:GROWN' ELSE 'order-payment' END,
         CASE now_at.kind WHEN 'spend' THEN pg_temp.key('order', at, k) END,
         CASE now_at.kind WHEN 'grant' THEN pg_temp.key('redemption', at, k) END,
         'c-' || n, 'customer', 'api', '192.0.2.7', at
    FROM generate_series(0, acted - 1) AS n CROSS JOIN LATERAL (SELECT first_of_round + n AS k) AS i
   CROSS JOIN LATERAL (SELECT began + make_interval(secs => k * step) AS at) AS t;
  -- Each hash covers the one of the account's entry before.
  CREATE TEMP TABLE hashed (LIKE hash_of_account) ON COMMIT DROP;
  WITH written AS (
    INSERT INTO billing_ledgerentry (id, account_id, version, kind, amount_minor, balance_after_minor, reason, order_id,
                                     redemption_id, actor_id, actor_role, channel, address, created_at, hash)
    SELECT e.id, e.account_id, e.version, e.kind, e.amount_minor, e.balance_after_minor, e.reason, e.order_id,
           e.redemption_id, e.actor_id, e.actor_role, e.channel, e.address, e.created_at,
           billing_entry_hash(p.hash, ROW(e.*)::billing_ledgerentry)
      FROM entry_of_round AS e LEFT JOIN hash_of_account AS p ON p.account_id = e.account_id
    RETURNING account_id, hash
  )
  INSERT INTO hashed SELECT * FROM written;
  DROP TABLE hash_of_account;
  ALTER TABLE hashed RENAME TO hash_of_account;
  IF now_at.kind = 'grant' THEN
    INSERT INTO promos_redemption (id, promo_code_id, card_serial, customer_id, credit_minor, status, reserved_at,
                                   confirmed_at)
    SELECT pg_temp.key('redemption', at, k),
           coalesce(s.promo_code_id, pg_temp.key('code', began + make_interval(secs => c * code_step), c)),
           s.first_serial + n, n + 1, 10000, 'confirmed', at, at
      FROM generate_series(0, acted - 1) AS n
     CROSS JOIN LATERAL (SELECT first_of_round + n AS k, (n * 7 + now_at.nth) % codes AS c) AS i
     CROSS JOIN LATERAL (SELECT began + make_interval(secs => k * step) AS at) AS t
      LEFT JOIN shared_use AS s ON s.nth = now_at.nth AND (s.cards IS NULL OR n < s.cards);
    RETURN;
  END IF;

  -- Every tenth order was paid in part by card.
  INSERT INTO orders_order (id, customer_id, organization_id, plan_id, total_minor, credit_applied_minor, currency, status,
                            apps, addons, placed_by, placed_by_role, channel, address, created_at, completed_at)
  SELECT pg_temp.key('order', at, k), n + 1, pg_temp.key('organization', began, n), plan,
         CASE WHEN n % 10 = 3 THEN 12000 ELSE 9500 END, 9500, 'OMR', 'completed', '["wordpress"]', '["backup"]',
         'c-' || n, 'customer', 'api', '192.0.2.7', at, at
    FROM generate_series(0, acted - 1) AS n CROSS JOIN LATERAL (SELECT first_of_round + n AS k) AS i
   CROSS JOIN LATERAL (SELECT began + make_interval(secs => k * step) AS at) AS t;
  CREATE TEMP TABLE bought AS
  SELECT id, customer_id, organization_id, total_minor, created_at, customer_id - 1 AS n, first_of_round + customer_id - 1 AS k
    FROM orders_order WHERE created_at >= began + make_interval(secs => first_of_round * step)
     AND created_at < began + make_interval(secs => (first_of_round + acted) * step);
  INSERT INTO orders_orderline (order_id, position, kind, item_id, slug, name, price_minor)
  SELECT id, position, kind, plan, slug, slug, price
    FROM bought CROSS JOIN LATERAL (VALUES (1, 'plan', 's', total_minor - 500), (2, 'addon', 'backup', 500))
      AS line (position, kind, slug, price);
  INSERT INTO billing_subscription (id, customer_id, organization_id, order_id, plan_id, addon_ids, amount_minor, currency,
                                    status, canceled_at, paid_by, current_period_start, current_period_end, created_at)
  SELECT pg_temp.key('subscription', created_at, k), customer_id, organization_id, id, plan, '[]', total_minor, 'OMR',
         CASE WHEN this = 8 THEN 'active' ELSE 'canceled' END, CASE WHEN this < 8 THEN created_at + interval '1 month' END,
         'credit', created_at,
         CASE WHEN this = 8 THEN now() + interval '1 day' + interval '1 second' * (n % 1000000)
              ELSE created_at + interval '1 month' END, created_at
    FROM bought;
  INSERT INTO billing_invoice (id, customer_id, organization_id, subscription_id, order_id, amount_minor, currency, status,
                               period_start, period_end, created_at)
  SELECT pg_temp.key('invoice', created_at, k), customer_id, organization_id, pg_temp.key('subscription', created_at, k), id,
         total_minor, 'OMR', 'paid', created_at, created_at + interval '1 month', created_at
    FROM bought;
  INSERT INTO orders_outboxevent (id, type, topic, source, tenant_id, order_id, data, metadata, created_at, delivered_at)
  SELECT pg_temp.key('event', created_at, k), 'order.placed', 'sme.order.events', 'qasima', organization_id, id,
         jsonb_build_object('id', id, 'plan', 's', 'apps', '["wordpress"]'::jsonb, 'addons', '["backup"]'::jsonb,
                            'tenant_id', organization_id, 'total', 9.5, 'status', 'completed'),
         '{}', created_at, CASE WHEN this < 8 OR n < acted - acted / 5 THEN created_at END
    FROM bought;
  INSERT INTO orders_payment (order_id, status, amount_minor, refunded_minor, currency, requested_at, leased_until,
                              expires_at, session_id, payment_intent_id, paid_at, closed_at)
  SELECT id, 'paid', 2500, 10, 'OMR', created_at, created_at, created_at + interval '1 hour', 'cs_' || k, 'pi_' || k,
         created_at, created_at
    FROM bought WHERE n % 10 = 3;
  INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, order_id, stripe_object_id, created_at)
  SELECT kind, minor, minor, 'OMR', id, 'cs_' || k, created_at
    FROM bought CROSS JOIN (VALUES ('payment', 2500), ('refund', -10)) AS moved (kind, minor) WHERE n % 10 = 3;
  INSERT INTO billing_hold (account_id, order_id, amount_minor, status, created_at, closed_at)
  SELECT customer_id, id, 9500, 'captured', created_at, created_at FROM bought WHERE n % 10 = 3;
  INSERT INTO orders_refund (payment_id, amount_minor, reason, status, stripe_refund_id, requested_by, requested_at, closed_at)
  SELECT id, 10, 'a complaint', 'done', 're_' || k, 'someone', created_at, created_at FROM bought WHERE n % 10 = 3;
  INSERT INTO orders_stripeevent (id, type, payload, occurred_at, received_at, settled_at, outcome)
  SELECT 'evt_' || k, 'checkout.session.completed', '{"data": {"object": {}}}', created_at, created_at, created_at, 'settled'
    FROM bought WHERE n % 10 = 3;
  DROP TABLE bought;
END $$;

-- Chains the audit entries and card entries that no trigger chained. The triggers update the chain's end at each entry, and
-- a transaction that updates one row again and again reads all of its old versions; so here the end is written once.
CREATE FUNCTION pg_temp.chain_entries() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE
  audited billing_auditentry;
  carded orders_cardentry;
  place bigint := coalesce((SELECT entries FROM billing_auditchain), 0);
  digest bytea := (SELECT hash FROM billing_auditchain);
BEGIN
  FOR audited IN SELECT * FROM billing_auditentry WHERE id NOT IN (SELECT entry_id FROM billing_auditlink)
                  ORDER BY created_at, id LOOP
    place := place + 1;
    digest := billing_audit_hash(digest, place, audited);
    INSERT INTO billing_auditlink (number, entry_id, hash) VALUES (place, audited.id, digest);
  END LOOP;
  INSERT INTO billing_auditchain (id, entries, hash) VALUES (1, place, digest)
    ON CONFLICT (id) DO UPDATE SET entries = excluded.entries, hash = excluded.hash;

  place := 0;
  digest := NULL;
  FOR carded IN SELECT * FROM orders_cardentry ORDER BY created_at, abs(total_minor), id LOOP
    place := place + 1;
    digest := orders_card_hash(digest, place, carded);
    INSERT INTO orders_cardlink (number, entry_id, hash) VALUES (place, carded.id, digest);
  END LOOP;
  INSERT INTO orders_cardchain (id, entries, hash) SELECT 1, place, digest WHERE place > 0;
END $$;
