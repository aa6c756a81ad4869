-- One code redeemed by several customers who ask at the same moment, in one transaction. Installed by migration
-- promos/0008; used by redeem_code.py.

-- Takes so many places at once from one counter that nobody holds, or else from all of them; false where fewer are
-- really free. The last statement before COMMIT, as promos_claim_place is, and in a subtransaction for its reason.
CREATE OR REPLACE FUNCTION promos_claim_together(promo uuid, wanted bigint, counters bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
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
  RETURN promos_claim_places(promo, wanted);
END $$;

-- Redeems the code for those of these users against whom nothing can be seen to stand, and who need not be waited for;
-- it says nothing of the others, who ask again each for himself (promos_redeem_code).
--
-- Waits for nobody's account: one customer's business elsewhere does not hold up the rest. Everybody's redemption has the
-- key, the time and the actor of his own request.
--
-- Refuses by constraint name, and all of them: promos_promocode_exhausted, promos_redemption_once_per_customer, where
-- others were faster.
CREATE OR REPLACE FUNCTION promos_redeem_together(
  code_text text, ids uuid[], users text[], emails text[], roles text[], channels text[], addresses inet[],
  moments timestamptz[]
) RETURNS TABLE (place bigint, promo uuid, customer bigint, granted bigint)
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  found_code record;
  places bigint[];
  customers bigint[];
BEGIN
  SELECT p.id INTO promo FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT array_agg(mine.place), array_agg(mine.customer_id) INTO places, customers FROM (
    SELECT asked.place, a.customer_id
      FROM unnest(users, emails) WITH ORDINALITY AS asked(user_id, email, place)
      JOIN billing_customer c ON c.user_id = asked.user_id AND asked.email IN ('', c.email)
      JOIN billing_account a ON a.customer_id = c.id
      LEFT JOIN LATERAL (SELECT r.id FROM promos_redemption r
                          WHERE r.promo_code_id = promo AND r.customer_id = c.id
                            AND r.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
     WHERE live.id IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED) AS mine;
  IF places IS NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock_shared(promos_lock_key(promo));
  SELECT p.credit_minor, p.max_redemptions, p.hot INTO found_code FROM promos_promocode p
   WHERE p.id = promo AND p.active AND p.retired_at IS NULL
     AND (p.starts_at IS NULL OR p.starts_at <= ALL (moments)) AND (p.expires_at IS NULL OR p.expires_at > ALL (moments))
     AND (p.max_redemptions = 0 OR cardinality(places) <= (
           SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = promo));
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO promos_redemption (id, promo_code_id, customer_id, credit_minor, status, reserved_at, confirmed_at)
  SELECT ids[mine.place], promo, mine.customer_id, found_code.credit_minor, 'confirmed',
         moments[mine.place], moments[mine.place]
    FROM unnest(places, customers) AS mine(place, customer_id);
  INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, redemption_id,
                                   actor_id, actor_role, channel, address)
  SELECT mine.customer_id, 'grant', found_code.credit_minor, 'promo:' || code_text, ids[mine.place],
         users[mine.place], roles[mine.place], channels[mine.place], addresses[mine.place]
    FROM unnest(places, customers) AS mine(place, customer_id);
  IF found_code.max_redemptions > 0
     AND NOT promos_claim_together(promo, cardinality(places), CASE WHEN NOT found_code.hot THEN 1 END) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
  END IF;
  RETURN QUERY SELECT mine.place, promo, mine.customer_id, found_code.credit_minor
                 FROM unnest(places, customers) AS mine(place, customer_id);
END $$;
