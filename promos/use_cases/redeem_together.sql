-- One code redeemed by several customers who ask at the same moment, in one transaction. Installed by migration
-- promos/0012; used by redeem_code.py.

-- Takes so many places at once from one counter that nobody holds, or else from all of them; false where fewer are
-- really free. The last statement before COMMIT, as promos_claim_slot is, and in a subtransaction for its reason.
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
  RETURN promos_claim_slots(promo, wanted);
END $$;

-- Redeems the code for those of these users against whom nothing can be seen to stand, and who need not be waited for;
-- it says nothing of the others, who ask again each for himself (promos_redeem_code). `asked`: for each an object of
-- redemption, entry (their keys), user, email, role, channel, address, moment. Told: the places in `asked`, from 1, of
-- those who redeemed it, and their customers; NULL where nobody did.
--
-- Waits for nobody's account: one customer's business elsewhere does not hold up the rest. Everybody's redemption has the
-- key, the time and the actor of his own request.
--
-- One statement for them all, whose snapshot is taken under the code's lock: what it costs to begin one is a third of
-- a small company's time.
--
-- Refuses by constraint name, and all of them: promos_promocode_exhausted, promos_redemption_once_per_customer, where
-- others were faster.
CREATE OR REPLACE FUNCTION promos_redeem_together(
  code_text text, asked jsonb, OUT promo uuid, OUT granted bigint, OUT places bigint[], OUT customers bigint[]
)
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  locked record;
  capped boolean;
  hot boolean;
BEGIN
  SELECT p.id, pg_advisory_xact_lock_shared(promos_lock_key(p.id)) INTO locked
    FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN RETURN; END IF;
  promo := locked.id;
  WITH mine AS MATERIALIZED (
    SELECT who.*, a.customer_id
      FROM ROWS FROM (jsonb_to_recordset(asked) AS (
             redemption uuid, entry uuid, "user" text, email text, role text, channel text, address inet,
             moment timestamptz)) WITH ORDINALITY
             AS who(redemption, entry, user_id, email, role, channel, address, moment, place)
      JOIN billing_customer c ON c.user_id = who.user_id AND who.email IN ('', c.email)
      JOIN billing_account a ON a.customer_id = c.id
      LEFT JOIN LATERAL (SELECT r.id FROM promos_redemption r
                          WHERE r.promo_code_id = promo AND r.customer_id = c.id
                            AND r.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
     WHERE live.id IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED
  ), company AS (
    SELECT min(moment) AS first, max(moment) AS last, count(*) AS number FROM mine
  ), terms AS MATERIALIZED (
    SELECT p.credit_minor, p.max_redemptions, p.hot FROM promos_promocode p, company
     WHERE p.id = promo AND p.active AND p.retired_at IS NULL
       AND (p.starts_at IS NULL OR p.starts_at <= company.first)
       AND (p.expires_at IS NULL OR p.expires_at > company.last)
       AND (p.max_redemptions = 0 OR company.number <= (
             SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = p.id))
  ), redeemed AS (
    INSERT INTO promos_redemption (id, promo_code_id, customer_id, credit_minor, status, reserved_at, confirmed_at)
    SELECT redemption, promo, customer_id, credit_minor, 'confirmed', moment, moment FROM terms, mine
  ), credited AS (
    INSERT INTO billing_grants
    SELECT array_agg(ROW(entry, customer_id, credit_minor, 'promo:' || code_text, '', redemption,
                         ROW(user_id, role, channel, address)::billing_actor)::billing_grant)
      FROM terms, mine HAVING count(*) > 0
  )
  SELECT min(terms.credit_minor), bool_and(terms.max_redemptions > 0), bool_and(terms.hot),
         array_agg(mine.place), array_agg(mine.customer_id)
    INTO granted, capped, hot, places, customers FROM terms, mine;
  IF capped AND NOT promos_claim_together(promo, cardinality(places), CASE WHEN NOT hot THEN 1 END) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
  END IF;
END $$;
