-- Inserts the records around cards and codes by whole sets; used by fill.py. All constraints and triggers are on, but for
-- audit entries, which large_history.sql chains all at once, and for deliveries, whose events and endpoint are read here.
CREATE FUNCTION pg_temp.surround(customers bigint, attempts bigint, audited bigint, proposals bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  rules CONSTANT text[] := ARRAY['promo_not_found', 'promo_already_redeemed', 'promo_exhausted', 'promo_expired',
                                 'card_already_redeemed'];
  welcome CONSTANT uuid := (SELECT id FROM promos_promocode WHERE code = 'WELCOME');
BEGIN
  -- Every thousand cards of the generated batch are a range. Each dealer holds some.
  INSERT INTO promos_dealer (name, created_by)
  SELECT 'Dealer ' || n, 'noor' FROM generate_series(1, 50) AS n;
  INSERT INTO promos_cardrange (batch_id, first_serial, last_serial, status, dealer_id)
  SELECT b.id, s, least(s + 999, b.first_serial + b.size - 1),
         CASE WHEN s % 2000 < 1000 THEN 'active' ELSE 'allocated' END,
         (SELECT id FROM promos_dealer WHERE name = 'Dealer ' || 1 + s / 1000 % 50)
    FROM promos_batch AS b CROSS JOIN generate_series(b.first_serial, b.first_serial + b.size - 1, 1000) AS s
   WHERE b.generated = b.size;

  -- The last month's attempts: of an unknown code, of the voucher that all customers share, of cards.
  INSERT INTO promos_refusedattempt (id, act, rule, code, code_hash, promo_code_id, card_serial, user_id, address,
                                     channel, created_at)
  SELECT pg_temp.key('attempt', at, n), 'redemption', rules[1 + kind], '…', md5(n::text) || md5(n::text),
         CASE kind WHEN 0 THEN NULL WHEN 4 THEN b.promo_code_id ELSE welcome END,
         CASE kind WHEN 4 THEN b.first_serial + n % b.size END,
         'c-' || n % customers, ('203.0.' || n % 250 || '.' || n % 199)::inet, 'api', at
    FROM generate_series(1, attempts) AS n
   CROSS JOIN LATERAL (SELECT n % 5 AS kind, now() - interval '30 days' / attempts * n AS at) AS t
   CROSS JOIN (SELECT * FROM promos_batch WHERE generated = size) AS b;

  SET LOCAL session_replication_role = replica;
  INSERT INTO billing_auditentry (id, action, object_type, object_id, changes, reason, actor_id, actor_role,
                                  actor_email, channel, created_at)
  SELECT pg_temp.key('audit', at, n), 'promo_code.changed', 'promo_code', 'GROWN-' || n % 1000,
         '{"max_redemptions": [10, 20]}', 'more customers', 'noor', 'sovereign-admin', 'noor@example.org', 'admin', at
    FROM generate_series(1, audited) AS n
   CROSS JOIN LATERAL (SELECT now() - interval '700 days' / audited * (audited - n) AS at) AS t;
  INSERT INTO orders_webhookdelivery (endpoint_id, event_id, status, attempts, created_at, delivered_at)
  SELECT w.id, e.id, 'delivered', 1, e.created_at, e.created_at
    FROM orders_webhookendpoint AS w CROSS JOIN orders_outboxevent AS e;
  SET LOCAL session_replication_role = origin;

  INSERT INTO billing_proposal (id, kind, title, arguments, changes, fingerprint, reason, proposer_id, proposer_role,
                                proposer_channel, created_at, expires_at)
  SELECT pg_temp.key('proposal', at, n), 'credit.adjustment', 'Adjust the credit of c-' || n, '{}', '[]',
         md5(n::text) || md5(n::text), 'an outage', 'noor', 'sovereign-admin', 'admin', at, at + interval '7 days'
    FROM generate_series(1, proposals) AS n
   CROSS JOIN LATERAL (SELECT now() - interval '1 hour' * n AS at) AS t;
  UPDATE billing_proposal
     SET status = 'approved', decider_id = 'amal', decider_role = 'approver', decided_at = created_at
   WHERE status = 'proposed';
  INSERT INTO promos_alert (kind, subject, number, opened_at, closed_at, closed_by)
  SELECT 'customer', 'c-' || n, 101, now() - interval '1 hour' * n, CASE WHEN n > 100 THEN now() END,
         CASE WHEN n > 100 THEN 'noor' ELSE '' END
    FROM generate_series(1, proposals) AS n;
  -- No index of a table is built while its rows have checks to come.
  SET CONSTRAINTS ALL IMMEDIATE;
END $$;
