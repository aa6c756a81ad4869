-- Credit for many customers in one call: billing_grant_amounts, called by grant_many.py. A redemption for many customers
-- (promos/use_cases/redeem_many.py) uses the first two functions too. Installed by every migrate.

-- Makes customers and accounts of the platform users who have none. It inserts in ascending order, so that two calls
-- with some of the same users wait for each other, and never in a circle.
CREATE OR REPLACE FUNCTION billing_make_customers(users text[], money text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO billing_customer (user_id)
  SELECT wanted.user_id FROM unnest(users) AS wanted(user_id)
   WHERE NOT EXISTS (SELECT FROM billing_customer c WHERE c.user_id = wanted.user_id)
   ORDER BY wanted.user_id
      ON CONFLICT (user_id) DO NOTHING;
  INSERT INTO billing_account (customer_id, currency)
  SELECT c.id, money FROM billing_customer c
   WHERE c.user_id = ANY (users) AND NOT EXISTS (SELECT FROM billing_account a WHERE a.customer_id = c.id)
   ORDER BY c.id
      ON CONFLICT (customer_id) DO NOTHING;
END $$;

-- Locks the accounts of these users until the transaction ends, and returns the keys of those it locked. Races with
-- every other grant, spend and hold of these customers. With `wait` it locks all, in ascending order of their keys;
-- without, it leaves out an account that another transaction has locked. Posts what has expired of their credit.
CREATE OR REPLACE FUNCTION billing_lock_accounts(users text[], wait boolean) RETURNS bigint[]
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  locked bigint[];
  expires boolean;
BEGIN
  IF wait THEN
    SELECT coalesce(array_agg(own.customer_id), '{}'), bool_or(own.next_expiry <= statement_timestamp())
      INTO locked, expires
      FROM (SELECT a.customer_id, a.next_expiry FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id
             WHERE c.user_id = ANY (users) ORDER BY a.customer_id FOR NO KEY UPDATE OF a) AS own;
  ELSE
    SELECT coalesce(array_agg(own.customer_id), '{}'), bool_or(own.next_expiry <= statement_timestamp())
      INTO locked, expires
      FROM (SELECT a.customer_id, a.next_expiry FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id
             WHERE c.user_id = ANY (users) FOR NO KEY UPDATE OF a SKIP LOCKED) AS own;
  END IF;
  IF expires THEN PERFORM billing_expire_credit(locked); END IF;
  RETURN locked;
END $$;

-- Grants credit to each of these users who has no grant of this reason yet, each the amount at its place. Returns those
-- users and their new entries. Under the accounts' locks, billing_ledgerentry_one_grant_per_reason is never violated.
-- A generic plan looks each user up by index. A plan for a thousand users would read all customers.
CREATE OR REPLACE FUNCTION billing_grant_amounts(
  users text[], amounts bigint[], why_reason text, why_note text, money text, of_class text, ends timestamptz,
  by_actor billing_actor
) RETURNS TABLE (grantee text, entry uuid)
SET plan_cache_mode = force_generic_plan LANGUAGE plpgsql AS $$
DECLARE
  made uuid[];
  made_for text[];
BEGIN
  PERFORM billing_make_customers(users, money);
  PERFORM billing_lock_accounts(users, true);
  WITH wanted AS MATERIALIZED (
    SELECT c.id AS customer, each.user_id, each.amount, billing_uuid7() AS id
      FROM unnest(users, amounts) AS each(user_id, amount)
      JOIN billing_customer c ON c.user_id = each.user_id
      LEFT JOIN LATERAL (SELECT e.id FROM billing_ledgerentry e
                          WHERE e.account_id = c.id AND e.reason = why_reason
                            AND e.kind = 'grant' AND e.reason LIKE 'grant:%' LIMIT 1) AS earlier ON true
     WHERE earlier.id IS NULL
  ), granted AS (
    INSERT INTO billing_dated_grants
    SELECT array_agg(ROW(id, customer, amount, why_reason, why_note, NULL, NULL, by_actor, of_class,
                         ends)::billing_dated_grant) FROM wanted
    HAVING count(*) > 0)
  SELECT array_agg(id), array_agg(user_id) INTO made, made_for FROM wanted;
  RETURN QUERY SELECT * FROM unnest(made_for, made);
END $$;

-- The same amount for each, as processes of the last release grant it: they name neither class nor expiry.
CREATE OR REPLACE FUNCTION billing_grant_many(
  users text[], amount bigint, why_reason text, why_note text, money text, by_actor billing_actor
) RETURNS TABLE (grantee text, entry uuid) LANGUAGE sql AS $$
  SELECT g.grantee, g.entry
    FROM billing_grant_amounts(users, array_fill(amount, ARRAY[cardinality(users)]), why_reason, why_note, money,
                               'promotional', NULL, by_actor) AS g
$$;
