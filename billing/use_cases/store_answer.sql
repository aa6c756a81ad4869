-- Stores the answers of requests under their idempotency keys, in place of expired ones.
-- Raises billing_idempotencykey_once, for all of them, where a key has a live answer already.
DO $$ BEGIN
  CREATE TYPE billing_answer AS (
    customer bigint, key text, hash text, result uuid, balance bigint, session_url text, at timestamptz,
    expires_at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE OR REPLACE FUNCTION billing_store_answers(answers billing_answer[]) RETURNS void LANGUAGE plpgsql AS $$
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
