-- The budgets of campaigns: claimed, returned, redistributed. They are counted as a code's slots are (slots.sql, which
-- says why each step is as it is), in smallest units of the currency instead of slots.
--
-- promos_budgetcounter(campaign_id, quota, used): the budget is the sum of the quotas, and the credit of the campaign's
-- live redemptions is the sum of `used`. A campaign without a budget has no rows.

-- Claims this much of the budget. Returns false where less is left, after waiting for transactions that may still return
-- some. Claim it after the slots of all codes, and the budgets of several campaigns in ascending order of their ids.
CREATE OR REPLACE FUNCTION promos_claim_budget(campaign uuid, wanted bigint, rush boolean) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF NOT rush THEN
    UPDATE promos_budgetcounter SET used = used + wanted WHERE campaign_id = campaign AND used + wanted <= quota;
    RETURN FOUND;
  END IF;
  BEGIN
    UPDATE promos_budgetcounter SET used = used + wanted
     WHERE id = (SELECT id FROM promos_budgetcounter WHERE campaign_id = campaign AND used + wanted <= quota
                  LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN RETURN true; END IF;
    RAISE SQLSTATE 'QA000';
  EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
  END;
  PERFORM FROM promos_budgetcounter WHERE campaign_id = campaign ORDER BY id FOR NO KEY UPDATE;
  UPDATE promos_budgetcounter AS n
     SET used = n.used + div(wanted * room.up_to_here, room.total) - div(wanted * room.before, room.total)
    FROM (SELECT id, sum(quota - used) OVER (ORDER BY id) AS up_to_here,
                 sum(quota - used) OVER (ORDER BY id) - (quota - used) AS before,
                 sum(quota - used) OVER () AS total
            FROM promos_budgetcounter WHERE campaign_id = campaign) AS room
   WHERE n.id = room.id AND room.total >= wanted AND room.total > 0;
  RETURN FOUND;
END $$;

-- Returns this much to the budget. The first attempt takes it from one counter. If none has so much in use, all counters
-- are locked in ascending order, and each gives a part in proportion to what it has in use.
CREATE OR REPLACE FUNCTION promos_return_budget(campaign uuid, amount bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM promos_budgetcounter WHERE campaign_id = campaign) THEN
    RETURN;  -- a campaign without a budget counts nothing
  END IF;
  BEGIN
    UPDATE promos_budgetcounter SET used = used - amount
     WHERE id = (SELECT id FROM promos_budgetcounter WHERE campaign_id = campaign AND used >= amount
                  ORDER BY id LIMIT 1)
       AND used >= amount;
    IF FOUND THEN RETURN; END IF;
    RAISE SQLSTATE 'QA000';  -- drops the lock of a counter that has less by now
  EXCEPTION WHEN SQLSTATE 'QA000' THEN NULL;
  END;
  PERFORM FROM promos_budgetcounter WHERE campaign_id = campaign ORDER BY id FOR NO KEY UPDATE;
  UPDATE promos_budgetcounter AS n
     SET used = n.used - div(amount * taken.up_to_here, taken.total) + div(amount * taken.before, taken.total)
    FROM (SELECT id, sum(used) OVER (ORDER BY id) AS up_to_here, sum(used) OVER (ORDER BY id) - used AS before,
                 sum(used) OVER () AS total
            FROM promos_budgetcounter WHERE campaign_id = campaign) AS taken
   WHERE n.id = taken.id AND taken.total >= amount AND taken.total > 0;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_budgetcounter_used_within_quota',
      MESSAGE = 'less of the budget is in use';
  END IF;
END $$;

-- Redistributes a budget over new counters; budget 0 means no budget and no counters. False, and nothing changed, where
-- more is in use than the budget allows. The caller holds the campaign's advisory lock exclusively.
CREATE OR REPLACE FUNCTION promos_redistribute_budget(campaign uuid, budget bigint, counters bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  taken bigint;
BEGIN
  SELECT sum(used) INTO taken FROM promos_budgetcounter WHERE campaign_id = campaign;
  IF taken IS NULL THEN  -- it had no budget, so nothing was counted
    SELECT coalesce(sum(r.credit_minor), 0) INTO taken
      FROM promos_redemption r JOIN promos_promocode p ON p.id = r.promo_code_id
     WHERE p.campaign_id = campaign AND r.status IN ('reserved', 'confirmed');
  END IF;
  IF budget > 0 AND taken > budget THEN RETURN false; END IF;
  DELETE FROM promos_budgetcounter WHERE campaign_id = campaign;
  IF budget > 0 THEN
    -- Counter k gets its part of what is in use and of what is left; the first counters get one more of each.
    INSERT INTO promos_budgetcounter (campaign_id, used, quota)
    SELECT campaign, part.used, part.used + (budget - taken) / counters + (k <= (budget - taken) % counters)::int
      FROM generate_series(1, counters) AS k
     CROSS JOIN LATERAL (SELECT taken / counters + (k <= taken % counters)::int AS used) AS part;
  END IF;
  RETURN true;
END $$;
