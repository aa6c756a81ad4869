-- What the tables of batches and cards keep by themselves. Installed by every migrate.

CREATE OR REPLACE TRIGGER promos_batch_never_deleted BEFORE DELETE OR TRUNCATE ON promos_batch
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a batch is voided, never deleted');
CREATE OR REPLACE TRIGGER promos_batch_identity_fixed BEFORE UPDATE ON promos_batch FOR EACH ROW
  WHEN ((NEW.id, NEW.promo_code_id, NEW.pattern, NEW.alphabet, NEW.size, NEW.first_serial, NEW.created_by, NEW.printer_key)
        IS DISTINCT FROM
        (OLD.id, OLD.promo_code_id, OLD.pattern, OLD.alphabet, OLD.size, OLD.first_serial, OLD.created_by, OLD.printer_key))
  EXECUTE FUNCTION billing_refuse('a batch''s codes, size and serial numbers stay');
CREATE OR REPLACE TRIGGER promos_batch_starts_draft BEFORE INSERT ON promos_batch FOR EACH ROW
  WHEN (NEW.status <> 'draft' OR NEW.generated <> 0) EXECUTE FUNCTION billing_refuse('a batch starts as a draft');
CREATE OR REPLACE TRIGGER promos_batch_transition_known BEFORE UPDATE ON promos_batch FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'draft > approved', 'draft > void', 'approved > generated', 'approved > void', 'generated > released',
    'generated > void', 'released > active', 'released > locked', 'released > void', 'active > locked',
    'active > closed', 'active > void', 'locked > active', 'locked > closed', 'locked > void');

CREATE OR REPLACE TRIGGER promos_card_never_deleted BEFORE DELETE OR TRUNCATE ON promos_card
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a card is voided with its batch, never deleted');
CREATE OR REPLACE TRIGGER promos_card_never_changes BEFORE UPDATE ON promos_card
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a card never changes');

CREATE OR REPLACE TRIGGER promos_printerfile_never_deleted BEFORE DELETE OR TRUNCATE ON promos_printerfile
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('of a printer''s file only the content is deleted');
CREATE OR REPLACE TRIGGER promos_printerfile_handed_out_once BEFORE UPDATE ON promos_printerfile FOR EACH ROW
  WHEN ((OLD.handed_to <> '' AND NEW.handed_to <> OLD.handed_to)
        OR (NEW.content <> OLD.content AND NEW.content <> '')
        OR (NEW.batch_id, NEW.digest, NEW.size) IS DISTINCT FROM (OLD.batch_id, OLD.digest, OLD.size))
  EXECUTE FUNCTION billing_refuse('a printer''s file is handed out once, as it was written');

-- The row of a batch's terms is active exactly while the batch is, so that a redemption reads one row for both.
CREATE OR REPLACE FUNCTION promos_follow_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE promos_promocode SET active = (NEW.status = 'active') WHERE id = NEW.promo_code_id;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER promos_batch_switches_terms AFTER INSERT OR UPDATE OF status ON promos_batch FOR EACH ROW
  EXECUTE FUNCTION promos_follow_batch();

CREATE OR REPLACE FUNCTION promos_check_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.active AND NOT EXISTS (SELECT FROM promos_batch b WHERE b.promo_code_id = NEW.id AND b.status = 'active') THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_active_with_batch',
      MESSAGE = 'the terms of cards are active exactly while their batch is';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER promos_promocode_follows_batch BEFORE INSERT OR UPDATE ON promos_promocode FOR EACH ROW
  WHEN (NEW.for_cards) EXECUTE FUNCTION promos_check_terms();
CREATE OR REPLACE TRIGGER promos_promocode_stays_for_cards BEFORE UPDATE ON promos_promocode FOR EACH ROW
  WHEN (NEW.for_cards <> OLD.for_cards) EXECUTE FUNCTION billing_refuse('a code stays a voucher or the terms of cards');

-- Cards come into being while their batch is generated, with the serial numbers of the batch. Checked once a statement,
-- because a batch has up to a million.
CREATE OR REPLACE FUNCTION promos_check_cards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM (SELECT batch_id, min(serial) AS first, max(serial) AS last FROM made GROUP BY batch_id) AS m
               LEFT JOIN promos_batch b ON b.id = m.batch_id AND b.status = 'approved'
                     AND m.first >= b.first_serial AND m.last < b.first_serial + b.size
              WHERE b.id IS NULL) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_card_of_its_batch',
      MESSAGE = 'a card needs an approved batch, and one of its serial numbers';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER promos_card_references AFTER INSERT ON promos_card
  REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION promos_check_cards();
