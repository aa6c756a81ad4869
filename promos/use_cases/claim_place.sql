-- The places of a capped promo code: taken, given back, and shared out anew. Installed by every migrate.
--
-- promos_promocounter(promo_code_id, quota, used): one row for an ordinary code, several for a hot one.
-- READ COMMITTED only: every statement must see what others committed while it waited.
--
-- Who may run at the same time is settled by one advisory lock a code (key: promos_lock_key): redemptions and
-- releases share it, a change of the cap (promos_redistribute_counters) has it alone. So a cap may be put on a code that
-- had none, and counters come and go, without a redemption in flight being miscounted.

CREATE OR REPLACE FUNCTION promos_lock_key(promo uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT hashtextextended('promos_promocode:' || promo, 0) $$;

-- Takes one place, or says false where every place is really taken. The last statement before COMMIT: the
-- contended row stays locked from here on.
--
-- `counters` says 1 where the caller knows that there is one; the way for several is right for any number.
--
-- One row: the UPDATE waits for a holder that may still roll back, then looks again (EvalPlanQual).
-- Several: 1. any row with room that nobody holds; 2. none: wait for the rows with room, one at a time in random
-- order. A row that was locked and then found full stays locked until the transaction ends, so two such claims
-- could deadlock; each block is a subtransaction, whose roll-back drops that lock.
CREATE OR REPLACE FUNCTION promos_claim_slot(promo uuid, counters bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

-- Gives one place back. Any counter with a place in use will do: the cap is their sum. Never below zero.
--
-- One counter at a time, each looked for by a statement of its own, as promos_claim_slot does: while one statement
-- waits for a counter, the places in use may move to another that stood at zero in its snapshot.
CREATE OR REPLACE FUNCTION promos_return_slot(promo uuid) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

-- Shares the places of the code out anew: cap 0 = no cap, no counters. False, and nothing changed, where more
-- places are in use than the cap allows. The caller holds the code's advisory lock alone.
CREATE OR REPLACE FUNCTION promos_redistribute_counters(promo uuid, cap bigint, counters bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
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
