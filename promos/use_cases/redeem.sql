-- A redemption in one call. Installed by every migrate; used by redeem_code.py and by orders' checkout.

-- Everything of a redemption but the claim of its place: locks out cap changes, looks at the code again, stores
-- the redemption and grants its credit. The caller holds the account's row lock, and claims the place as its last
-- statement. `counters` is what promos_claim_or_refuse wants to know: 0 nothing to claim, 1 one row, NULL several.
--
-- Refuses by constraint name: promos_promocode_redeemable (changed since the caller looked: look again),
-- promos_redemption_once_per_customer.
CREATE OR REPLACE FUNCTION promos_open_redemption(
  promo uuid, customer bigint, for_order uuid, by_actor billing_actor, as_of timestamptz,
  OUT redemption uuid, OUT granted bigint, OUT counters bigint
) LANGUAGE plpgsql AS $$
DECLARE
  found_code record;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(promos_lock_key(promo));
  SELECT code, credit_minor, max_redemptions, hot INTO found_code FROM promos_promocode
   WHERE id = promo AND active AND retired_at IS NULL
     AND (starts_at IS NULL OR starts_at <= as_of) AND (expires_at IS NULL OR as_of < expires_at);
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable',
      MESSAGE = 'the promo code changed: look at it again';
  END IF;
  granted := found_code.credit_minor;
  counters := CASE WHEN found_code.max_redemptions = 0 THEN 0 WHEN NOT found_code.hot THEN 1 END;
  INSERT INTO promos_redemption (promo_code_id, customer_id, order_id, credit_minor, status, reserved_at, confirmed_at)
  VALUES (promo, customer, for_order, granted, 'confirmed', as_of, as_of)
  RETURNING id INTO redemption;
  INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, order_id, redemption_id,
                                   actor_id, actor_role, channel, address)
  VALUES (customer, 'grant', granted, 'promo:' || found_code.code, for_order, redemption,
          by_actor.user_id, by_actor.role, by_actor.channel, by_actor.address);
END $$;

-- Claims a place for the redemption that was just opened, or refuses all of it: promos_promocode_exhausted.
CREATE OR REPLACE FUNCTION promos_claim_or_refuse(promo uuid, counters bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF counters IS DISTINCT FROM 0 AND NOT promos_claim_slot(promo, counters) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every place is taken';
  END IF;
END $$;

-- The whole redemption outside an order: lock the account, open, claim last.
CREATE OR REPLACE FUNCTION promos_redeem(
  promo uuid, customer bigint, by_actor billing_actor, as_of timestamptz, OUT redemption uuid, OUT granted bigint
) LANGUAGE plpgsql AS $$
DECLARE
  counters bigint;
BEGIN
  -- Races with every other grant, spend and hold of this customer.
  PERFORM FROM billing_account WHERE customer_id = customer FOR NO KEY UPDATE;
  SELECT opened.redemption, opened.granted, opened.counters INTO redemption, granted, counters
    FROM promos_open_redemption(promo, customer, NULL, by_actor, as_of) AS opened;
  PERFORM promos_claim_or_refuse(promo, counters);
END $$;

-- The same for a code as people write it and a platform user, in one round trip. Where something stands against it
-- that can be seen without a lock, it refuses before it writes: a million who come too late must not leave a million
-- dead rows.
--
-- Refuses as promos_redeem does, and by promos_redeem_customer_known: the user's first act, make the customer.
CREATE OR REPLACE FUNCTION promos_redeem_code(
  code_text text, redeemer text, redeemer_email text, by_actor billing_actor, as_of timestamptz,
  OUT redemption uuid, OUT promo uuid, OUT customer bigint, OUT granted bigint
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  known_email text;
  cap bigint;
BEGIN
  SELECT c.id, c.email INTO customer, known_email
    FROM billing_customer c JOIN billing_account a ON a.customer_id = c.id WHERE c.user_id = redeemer;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_redeem_customer_known', MESSAGE = 'nobody has acted as this user';
  END IF;
  SELECT p.id, p.max_redemptions INTO promo, cap FROM promos_promocode p WHERE p.code = code_text;
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable', MESSAGE = 'there is no such code';
  END IF;
  -- Exact: a counter that is full here is full of committed redemptions.
  IF cap > 0 AND NOT EXISTS (SELECT FROM promos_promocounter WHERE promo_code_id = promo AND used < quota) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every place is taken';
  END IF;
  IF redeemer_email NOT IN ('', known_email) THEN
    UPDATE billing_customer SET email = redeemer_email WHERE id = customer;
  END IF;
  SELECT redeemed.redemption, redeemed.granted INTO redemption, granted
    FROM promos_redeem(promo, customer, by_actor, as_of) AS redeemed;
END $$;
