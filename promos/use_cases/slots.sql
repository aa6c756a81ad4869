-- The slots of capped promo codes: claimed, returned, redistributed.
--
-- promos_promocounter(promo_code_id, quota, used) has one row for an ordinary code and several for a hot one. The cap is
-- the sum of the quotas, and the number of live redemptions is the sum of `used`.
--
-- Each statement must see what others committed while it waited, so all of this needs READ COMMITTED.

-- Returns the key of a code's advisory lock. Redemptions and releases take it shared; a change of the cap takes it
-- exclusively (promos_redistribute_counters), so it replaces the counters while no redemption is in flight.
CREATE OR REPLACE FUNCTION promos_lock_key(promo uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT hashtextextended('promos_promocode:' || promo, 0) $$;

-- Returns the key of a campaign's advisory lock. Redemptions and releases take it shared; a change of the campaign's state
-- or budget takes it exclusively. The default campaign never changes, so its lock is never taken.
CREATE OR REPLACE FUNCTION promos_campaign_lock_key(campaign uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('promos_campaign:' || campaign, 0) $$;

-- Shares the locks of several codes, given as text, and of their campaigns. Returns the ids of the codes that it locked:
-- a caller redeems no other code, also not one that was issued while this waited. With `wait` it locks all, campaigns
-- first, each in ascending order, so that two callers never wait in a circle; without, it leaves out a code that is being
-- changed, or whose campaign is.
CREATE OR REPLACE FUNCTION promos_lock_codes(codes text[], wait boolean) RETURNS uuid[]
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  ids uuid[];
  campaigns uuid[];  -- of each of these codes
BEGIN
  SELECT coalesce(array_agg(found.id), '{}'), array_agg(found.campaign_id) INTO ids, campaigns
    FROM (SELECT p.id, p.campaign_id FROM promos_promocode p WHERE p.code = ANY (codes) ORDER BY p.id) AS found;
  IF wait THEN
    PERFORM pg_advisory_xact_lock_shared(promos_campaign_lock_key(id))
       FROM (SELECT DISTINCT id FROM unnest(campaigns) AS id WHERE id <> promos_default_campaign() ORDER BY id) AS own;
    PERFORM pg_advisory_xact_lock_shared(promos_lock_key(id)) FROM unnest(ids) AS id;
    RETURN ids;
  END IF;
  RETURN ARRAY(SELECT id FROM unnest(ids, campaigns) AS each(id, campaign)
                WHERE (campaign = promos_default_campaign()
                       OR pg_try_advisory_xact_lock_shared(promos_campaign_lock_key(campaign)))
                  AND pg_try_advisory_xact_lock_shared(promos_lock_key(id)));
END $$;

-- Claims this many slots. Returns false where fewer are free, after waiting for transactions that may still return one.
-- Claim last in a transaction: a counter stays locked until the commit. Claim the slots of several codes in ascending
-- order of their ids.
--
-- One counter: the UPDATE waits for a transaction that may still roll back, then checks the row again.
-- Several counters (a hot code): the first attempt takes all slots from one counter that has them and is not locked. It
-- runs in a subtransaction, because PostgreSQL checks a locked row once more, and keeps the lock even if that check
-- fails; two such locks would deadlock. If the attempt fails, all counters are locked in ascending order, which waits for each
-- transaction that may still roll back. Then each counter gives slots in proportion to its free ones, so that the code
-- keeps free slots in all counters.
CREATE OR REPLACE FUNCTION promos_claim_slots_of_code(promo uuid, wanted bigint, hot boolean) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

-- Returns one slot. Any counter with a slot in use will do, because the cap is their sum; none goes below zero.
--
-- Each turn of the loop finds a counter by a new statement: while a statement waits for a counter, the slots in use may
-- move to another one, which had none in that statement's snapshot. The subtransaction drops the lock of a counter that
-- has none left.
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

-- Redistributes the slots of a code over new counters; cap 0 means no cap and no counters. False, and nothing changed,
-- where more slots are in use than the cap allows. The caller holds the code's advisory lock exclusively.
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
    -- Counter k gets its part of the slots in use and of the free ones; the first counters get one more of each.
    INSERT INTO promos_promocounter (promo_code_id, used, quota)
    SELECT promo, part.used, part.used + (cap - taken) / counters + (k <= (cap - taken) % counters)::int
      FROM generate_series(1, counters) AS k
     CROSS JOIN LATERAL (SELECT taken / counters + (k <= taken % counters)::int AS used) AS part;
  END IF;
  RETURN true;
END $$;
