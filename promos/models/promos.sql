-- What the tables of this app keep by themselves. Installed by migration promos/0002.

-- A code is retired, never deleted, and its text never changes: redemptions point to it without a foreign key.
CREATE OR REPLACE TRIGGER promos_promocode_never_deleted BEFORE DELETE OR TRUNCATE ON promos_promocode
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a code is retired, never deleted');
CREATE OR REPLACE TRIGGER promos_promocode_identity_fixed BEFORE UPDATE ON promos_promocode FOR EACH ROW
  WHEN ((NEW.id, NEW.code, NEW.currency) IS DISTINCT FROM (OLD.id, OLD.code, OLD.currency))
  EXECUTE FUNCTION billing_refuse('a code''s text and currency stay');
CREATE OR REPLACE TRIGGER promos_redemption_never_deleted BEFORE DELETE OR TRUNCATE ON promos_redemption
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a redemption is released, never deleted');

-- The foreign key of a redemption to its code, without the lock that a real one takes on the code's row for
-- every redemption. Sound because a code's row can neither be deleted nor change its id (above).
CREATE OR REPLACE FUNCTION promos_check_redemption() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM promos_promocode WHERE id = NEW.promo_code_id) THEN
      RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_promo_code_exists',
        MESSAGE = 'a redemption needs a promo code';
    END IF;
    IF NEW.status = 'released' THEN
      RAISE check_violation USING CONSTRAINT = 'promos_redemption_starts_live',
        MESSAGE = 'a redemption starts reserved or confirmed';
    END IF;
  ELSIF (NEW.id, NEW.promo_code_id, NEW.customer_id, NEW.order_id, NEW.credit_minor)
        IS DISTINCT FROM (OLD.id, OLD.promo_code_id, OLD.customer_id, OLD.order_id, OLD.credit_minor)
     OR (OLD.status, NEW.status) NOT IN
        (('reserved', 'confirmed'), ('reserved', 'released'), ('confirmed', 'released')) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_redemption_transition_known',
      MESSAGE = format('a redemption cannot go from %s to %s or change what it is', OLD.status, NEW.status);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_check BEFORE INSERT OR UPDATE ON promos_redemption
  FOR EACH ROW EXECUTE FUNCTION promos_check_redemption();

-- Counter rows are updated in place (HOT) as long as their page has room for the new version.
ALTER TABLE promos_promocounter SET (fillfactor = 10);
