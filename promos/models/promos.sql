-- What the tables of this app keep by themselves. Installed by every migrate.

-- A code is retired, never deleted, and its text never changes: redemptions point to it without a foreign key.
CREATE OR REPLACE TRIGGER promos_promocode_never_deleted BEFORE DELETE OR TRUNCATE ON promos_promocode
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a code is retired, never deleted');
CREATE OR REPLACE TRIGGER promos_promocode_identity_fixed BEFORE UPDATE ON promos_promocode FOR EACH ROW
  WHEN ((NEW.id, NEW.code, NEW.currency) IS DISTINCT FROM (OLD.id, OLD.code, OLD.currency))
  EXECUTE FUNCTION billing_refuse('a code''s text and currency stay');
CREATE OR REPLACE TRIGGER promos_redemption_never_deleted BEFORE DELETE OR TRUNCATE ON promos_redemption
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a redemption is released, never deleted');

-- What a redemption must be: why here, billing/models/rules.sql says.
CREATE OR REPLACE FUNCTION promos_check_redemption() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.status NOT IN ('reserved', 'confirmed', 'released') THEN 'promos_redemption_status_known'
    WHEN NEW.credit_minor <= 0 THEN 'promos_redemption_credit_positive'
    WHEN NEW.status = 'reserved' AND NEW.confirmed_at IS NOT NULL
      OR NEW.status = 'confirmed' AND NEW.confirmed_at IS NULL THEN 'promos_redemption_confirmed_at_fits'
    WHEN (NEW.status = 'released') <> (NEW.released_at IS NOT NULL)
      OR (NEW.status = 'released') <> (NEW.release_reason <> '') THEN 'promos_redemption_release_says_why'
  END;
BEGIN
  IF TG_OP = 'INSERT' THEN
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
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_check BEFORE INSERT OR UPDATE ON promos_redemption
  FOR EACH ROW EXECUTE FUNCTION promos_check_redemption();

-- The foreign keys of redemptions, looked at once a statement. To their code: without the lock that a real one takes on
-- the code's row for every redemption; sound because a code's row can neither be deleted nor change its id (above). To
-- their customers, by way of the accounts, which stay as well (billing/models/ledger.sql).
CREATE OR REPLACE FUNCTION promos_check_references() RETURNS trigger
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM made LEFT JOIN promos_promocode p ON p.id = made.promo_code_id
                              LEFT JOIN billing_account a ON a.customer_id = made.customer_id
              WHERE p.id IS NULL OR a.customer_id IS NULL) THEN
    IF EXISTS (SELECT FROM made WHERE NOT EXISTS (SELECT FROM promos_promocode WHERE id = made.promo_code_id)) THEN
      RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_promo_code_exists',
        MESSAGE = 'a redemption needs a promo code';
    END IF;
    RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_account_exists',
      MESSAGE = 'a redemption needs a customer with an account';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_references AFTER INSERT ON promos_redemption
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION promos_check_references();
