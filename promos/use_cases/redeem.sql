-- A redemption in one call. Installed by migration promos/0002; used by redeem.py and by orders' checkout.

-- Everything of a redemption but the claim of its place: locks out cap changes, looks at the code again, stores
-- the redemption and grants its credit. Returns how many counter rows the code has: 0 means there is nothing
-- to claim. The caller holds the account's row lock, and claims the place as its last statement.
--
-- Refuses by constraint name: promos_promocode_redeemable (changed since the caller looked: look again),
-- promos_redemption_once_per_customer.
CREATE OR REPLACE FUNCTION promos_open_redemption(
  promo uuid, customer bigint, for_order uuid, by_actor billing_actor, as_of timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found_code record;
  redemption uuid;
  counters bigint := 0;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(promos_lock_key(promo));
  SELECT code, credit_minor, max_redemptions INTO found_code FROM promos_promocode
   WHERE id = promo AND active AND retired_at IS NULL
     AND (starts_at IS NULL OR starts_at <= as_of) AND (expires_at IS NULL OR as_of < expires_at);
  IF NOT FOUND THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_redeemable',
      MESSAGE = 'the promo code changed: look at it again';
  END IF;
  INSERT INTO promos_redemption (promo_code_id, customer_id, order_id, credit_minor, status, reserved_at, confirmed_at)
  VALUES (promo, customer, for_order, found_code.credit_minor, 'confirmed', as_of, as_of)
  RETURNING id INTO redemption;
  INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, order_id, redemption_id,
                                   actor_id, actor_role, channel, address)
  VALUES (customer, 'grant', found_code.credit_minor, 'promo:' || found_code.code, for_order, redemption,
          by_actor.user_id, by_actor.role, by_actor.channel, by_actor.address);
  IF found_code.max_redemptions > 0 THEN
    SELECT count(*) INTO counters FROM promos_promocounter WHERE promo_code_id = promo;
  END IF;
  RETURN counters;
END $$;

-- Claims a place for the redemption that was just opened, or refuses all of it: promos_promocode_exhausted.
CREATE OR REPLACE FUNCTION promos_claim_or_refuse(promo uuid, counters bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF counters > 0 AND NOT promos_claim_place(promo, counters) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every place is taken';
  END IF;
END $$;

-- The whole redemption outside an order, one round trip: lock the account, open, claim last.
CREATE OR REPLACE FUNCTION promos_redeem(promo uuid, customer bigint, by_actor billing_actor, as_of timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  counters bigint;
BEGIN
  PERFORM FROM billing_account WHERE customer_id = customer FOR NO KEY UPDATE;
  counters := promos_open_redemption(promo, customer, NULL, by_actor, as_of);
  PERFORM promos_claim_or_refuse(promo, counters);
END $$;
