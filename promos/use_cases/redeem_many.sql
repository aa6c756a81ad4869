-- One code redeemed for many customers in one call. Installed by every migrate; used by redeem_many.py.

-- Takes so many places at once, or says false where fewer are really free; then the caller rolls back. The last
-- statement before COMMIT, as promos_claim_slot is.
--
-- It locks every counter of the code, in ascending order, whether it has room or not: each holder that may still roll
-- back is waited for, and once all are held no place can move from one to another. Who claims or returns a single
-- place holds one counter at most and waits for nothing else, so none of them can wait in a circle.
-- Each counter gives in proportion to its room, so that a hot code keeps room in all of them.
CREATE OR REPLACE FUNCTION promos_claim_slots(promo uuid, wanted bigint) RETURNS boolean LANGUAGE plpgsql AS $$
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

-- Redeems the code for each of these users, all in one transaction: first come, first served in the order given.
-- Who redeemed it, and for whom no place was left; who is not among them had redeemed it already. Users whose first
-- act this is become customers, unless no place is left for them.
--
-- Who has redeemed it and how many places are free is looked at in one statement, without a lock; what is redeemed
-- is decided under the locks. Places that were taken between the two make it refuse everything, and the caller tries
-- again; so the counters, which everybody else needs, are locked last and briefly.
--
-- Everybody is looked up by index, one after the other: whether a customer has redeemed it by the unique one (LATERAL
-- with LIMIT, ON CONFLICT), and with plans for arrays of any size. Left a choice, the planner reads all customers, or
-- all redemptions of the code, for each batch.
--
-- Refuses by constraint name: promos_promocode_redeemable (the code changed), promos_promocode_exhausted (fewer
-- places than it saw): look again.
CREATE OR REPLACE FUNCTION promos_redeem_many(
  code_text text, users text[], why text, by_actor billing_actor, by_email text, as_of timestamptz
) RETURNS TABLE (redeemer text, redemption uuid, refusal text)
SET plan_cache_mode = force_generic_plan LANGUAGE plpgsql AS $$
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
