-- What the tables of this app keep by themselves. Installed by every migrate.

-- Returns the id of the campaign that codes without one of their own belong to (models/campaign.py).
CREATE OR REPLACE FUNCTION promos_default_campaign() RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT '00000000-0000-7000-8000-000000000001'::uuid $$;

-- A campaign is ended, never deleted. Once approved, it keeps what was approved; an act of its own changes its budget
-- or its end. The default campaign always stays as it is, so that its codes need no lock on it.
CREATE OR REPLACE TRIGGER promos_campaign_never_deleted BEFORE DELETE OR TRUNCATE ON promos_campaign
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a campaign is ended, never deleted');
CREATE OR REPLACE TRIGGER promos_campaign_default_fixed BEFORE UPDATE ON promos_campaign FOR EACH ROW
  WHEN (OLD.id = '00000000-0000-7000-8000-000000000001')
  EXECUTE FUNCTION billing_refuse('the default campaign stays as it is');
CREATE OR REPLACE TRIGGER promos_campaign_unchanged_once_approved BEFORE UPDATE ON promos_campaign FOR EACH ROW
  WHEN (OLD.status <> 'draft' AND
        (NEW.id, NEW.name, NEW.credit_class, NEW.vat_treatment, NEW.drafted_by, NEW.approved_by, NEW.starts_at,
         NEW.restrictions, NEW.credit_days, NEW.credit_expires_at)
        IS DISTINCT FROM
        (OLD.id, OLD.name, OLD.credit_class, OLD.vat_treatment, OLD.drafted_by, OLD.approved_by, OLD.starts_at,
         OLD.restrictions, OLD.credit_days, OLD.credit_expires_at))
  EXECUTE FUNCTION billing_refuse('an approved campaign keeps what was approved');
CREATE OR REPLACE TRIGGER promos_campaign_transition_known BEFORE UPDATE ON promos_campaign FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'draft > approved', 'draft > ended', 'approved > active', 'approved > ended', 'active > paused', 'active > ended',
    'paused > active', 'paused > ended');

-- A code is retired, never deleted, and its text never changes: redemptions point to it without a foreign key. It stays
-- in its campaign, whose budget counts its redemptions.
CREATE OR REPLACE TRIGGER promos_promocode_never_deleted BEFORE DELETE OR TRUNCATE ON promos_promocode
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a code is retired, never deleted');
CREATE OR REPLACE TRIGGER promos_promocode_identity_fixed BEFORE UPDATE ON promos_promocode FOR EACH ROW
  WHEN ((NEW.id, NEW.code, NEW.currency, NEW.campaign_id)
        IS DISTINCT FROM (OLD.id, OLD.code, OLD.currency, OLD.campaign_id))
  EXECUTE FUNCTION billing_refuse('a code''s text, currency and campaign stay');
CREATE OR REPLACE TRIGGER promos_redemption_never_deleted BEFORE DELETE OR TRUNCATE ON promos_redemption
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a redemption is released, never deleted');

-- A redemption is written reserved or confirmed; afterwards it only changes its state. When its customer is merged into
-- another one, it becomes the other one's, so that the code stays redeemed once.
CREATE OR REPLACE TRIGGER promos_redemption_starts_live BEFORE INSERT ON promos_redemption FOR EACH ROW
  WHEN (NEW.status = 'released') EXECUTE FUNCTION billing_refuse('a redemption starts reserved or confirmed');
CREATE OR REPLACE TRIGGER promos_redemption_identity_fixed BEFORE UPDATE ON promos_redemption FOR EACH ROW
  WHEN ((NEW.id, NEW.promo_code_id, NEW.card_serial, NEW.order_id, NEW.credit_minor, NEW.credit_expires_at)
        IS DISTINCT FROM (OLD.id, OLD.promo_code_id, OLD.card_serial, OLD.order_id, OLD.credit_minor,
                          OLD.credit_expires_at)
        OR NEW.use_number <> coalesce(OLD.use_number, 0) AND NEW.customer_id = OLD.customer_id)
  EXECUTE FUNCTION billing_refuse('a redemption stays what it is');
CREATE OR REPLACE FUNCTION promos_check_customer() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF (NEW.status, NEW.confirmed_at, NEW.released_at, NEW.release_reason, NEW.reserved_at)
       IS DISTINCT FROM (OLD.status, OLD.confirmed_at, OLD.released_at, OLD.release_reason, OLD.reserved_at)
     OR NOT EXISTS (SELECT FROM billing_customer c WHERE c.id = OLD.customer_id AND c.merged_into_id = NEW.customer_id) THEN
    RAISE restrict_violation USING CONSTRAINT = 'promos_redemption_identity_fixed', TABLE = TG_TABLE_NAME,
      MESSAGE = 'a redemption only follows its customer into the one that the customer was merged into';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_customer_checked BEFORE UPDATE ON promos_redemption FOR EACH ROW
  WHEN (NEW.customer_id <> OLD.customer_id) EXECUTE FUNCTION promos_check_customer();
CREATE OR REPLACE TRIGGER promos_redemption_transition_known BEFORE UPDATE ON promos_redemption FOR EACH ROW
  WHEN (NEW.customer_id = OLD.customer_id
        AND (NEW.use_number IS NOT DISTINCT FROM OLD.use_number
             OR (NEW.status, NEW.confirmed_at, NEW.released_at, NEW.release_reason, NEW.reserved_at)
                IS DISTINCT FROM
                (OLD.status, OLD.confirmed_at, OLD.released_at, OLD.release_reason, OLD.reserved_at)))
  EXECUTE FUNCTION billing_check_transition(
    'reserved > confirmed', 'reserved > released', 'confirmed > released');

-- Of the live uses of a voucher by one customer, one has no number (promos_check_card). Where that one is released,
-- the lowest numbered one takes its place. The account's lock is held.
CREATE OR REPLACE FUNCTION promos_renumber_uses() RETURNS trigger SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
  UPDATE promos_redemption SET use_number = NULL
   WHERE id = (SELECT r.id FROM promos_redemption r
                WHERE r.promo_code_id = OLD.promo_code_id AND r.customer_id = OLD.customer_id
                  AND r.use_number IS NOT NULL AND r.status IN ('reserved', 'confirmed')
                ORDER BY r.use_number LIMIT 1);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER promos_redemption_first_use_released AFTER UPDATE ON promos_redemption FOR EACH ROW
  WHEN (NEW.status = 'released' AND OLD.status <> 'released' AND OLD.use_number IS NULL AND OLD.card_serial IS NULL)
  EXECUTE FUNCTION promos_renumber_uses();

-- The reference from a redemption to its code, checked once a statement. A foreign key would lock the code's row for
-- every redemption (the figure stands in billing/models/__init__.py). This is as sound: a code's row can neither be deleted
-- nor change its id. The code is the terms of cards exactly where the redemption names a card, and then of that card.
CREATE OR REPLACE FUNCTION promos_check_references() RETURNS trigger
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM made LEFT JOIN promos_promocode p
                 ON p.id = made.promo_code_id AND p.for_cards = (made.card_serial IS NOT NULL)
              WHERE p.id IS NULL) THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_promo_code_exists',
      MESSAGE = 'a redemption needs a promo code';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_references AFTER INSERT ON promos_redemption
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION promos_check_references();

-- A redemption of a card needs that card, of the batch whose terms it names. A numbered use of a voucher needs one without
-- a number: whether a customer has redeemed a voucher is read from that one. The first uses of vouchers do not reach this
-- trigger, and one is cheaper for them than two, or than a check of the table.
CREATE OR REPLACE FUNCTION promos_check_card() RETURNS trigger SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.card_serial IS NOT NULL AND NOT EXISTS (
       SELECT FROM promos_card c JOIN promos_batch b ON b.id = c.batch_id
        WHERE c.serial = NEW.card_serial AND b.promo_code_id = NEW.promo_code_id) THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'promos_redemption_card_exists',
      MESSAGE = 'a redemption of a card needs that card, of the batch whose terms it names';
  END IF;
  IF NEW.use_number IS NOT NULL AND (
       NEW.use_number < 2 OR NEW.card_serial IS NOT NULL OR NOT EXISTS (
         SELECT FROM promos_promocode p
           JOIN promos_redemption r ON r.promo_code_id = p.id AND r.customer_id = NEW.customer_id
            AND r.card_serial IS NULL AND r.use_number IS NULL AND r.status IN ('reserved', 'confirmed')
          WHERE p.id = NEW.promo_code_id AND promos_allow_repeats(p.restrictions))) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_redemption_use_number_fits',
      MESSAGE = 'only a repeatable voucher has further uses, numbered from 2 after the first';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER promos_redemption_of_card AFTER INSERT ON promos_redemption FOR EACH ROW
  WHEN (NEW.card_serial IS NOT NULL OR NEW.use_number IS NOT NULL) EXECUTE FUNCTION promos_check_card();
