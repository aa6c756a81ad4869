-- What the tables of ranges and dealers keep by themselves. Installed by every migrate.

CREATE OR REPLACE TRIGGER promos_dealer_never_deleted BEFORE DELETE OR TRUNCATE ON promos_dealer
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a dealer stays, because ranges and the audit trail name it');

CREATE OR REPLACE TRIGGER promos_cardrange_never_deleted BEFORE DELETE OR TRUNCATE ON promos_cardrange
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a range is voided, never deleted');
CREATE OR REPLACE TRIGGER promos_cardrange_only_shrinks BEFORE UPDATE ON promos_cardrange FOR EACH ROW
  WHEN (NEW.id <> OLD.id OR NEW.batch_id <> OLD.batch_id OR NEW.first_serial <> OLD.first_serial
        OR NEW.last_serial > OLD.last_serial)
  EXECUTE FUNCTION billing_refuse('a range keeps its batch and its first serial number, and is only split');
CREATE OR REPLACE TRIGGER promos_cardrange_transition_known BEFORE UPDATE ON promos_cardrange FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'stock > allocated', 'stock > active', 'stock > void', 'allocated > stock', 'allocated > active',
    'allocated > void', 'active > stock', 'active > allocated', 'active > void');
CREATE OR REPLACE TRIGGER promos_cardrange_changes_dealer_through_stock BEFORE UPDATE ON promos_cardrange FOR EACH ROW
  WHEN (OLD.dealer_id <> NEW.dealer_id OR (OLD.dealer_id IS NOT NULL AND NEW.dealer_id IS NULL AND NEW.status <> 'stock'))
  EXECUTE FUNCTION billing_refuse('a dealer returns cards to the stock before another dealer gets them');

CREATE OR REPLACE FUNCTION promos_check_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM promos_batch b WHERE b.id = NEW.batch_id AND b.generated = b.size
                    AND NEW.first_serial >= b.first_serial AND NEW.last_serial < b.first_serial + b.size) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_cardrange_of_its_batch',
      MESSAGE = 'a range needs a batch whose cards are generated, and serial numbers of that batch';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER promos_cardrange_within_batch AFTER INSERT ON promos_cardrange FOR EACH ROW
  EXECUTE FUNCTION promos_check_range();

-- A range that is split leaves no card behind: without a range, a card would follow its batch alone. What was void stays
-- void. Checked at the commit, when all parts are written.
CREATE OR REPLACE FUNCTION promos_check_split() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  covered bigint;
  revived bigint;
BEGIN
  SELECT sum(least(r.last_serial, OLD.last_serial) - greatest(r.first_serial, OLD.first_serial) + 1),
         count(*) FILTER (WHERE OLD.status = 'void' AND r.status <> 'void')
    INTO covered, revived
    FROM promos_cardrange r
   WHERE int8range(r.first_serial, r.last_serial, '[]') && int8range(OLD.first_serial, OLD.last_serial, '[]');
  IF covered <> OLD.last_serial - OLD.first_serial + 1 OR revived > 0 THEN
    RAISE check_violation USING CONSTRAINT = 'promos_cardrange_split_whole',
      MESSAGE = 'the parts of a range cover it, and those of a void one are void';
  END IF;
  RETURN NULL;
END $$;
DO $$ BEGIN
  CREATE CONSTRAINT TRIGGER promos_cardrange_split_whole AFTER UPDATE ON promos_cardrange DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.last_serial <> NEW.last_serial) EXECUTE FUNCTION promos_check_split();
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Returns the range of a card; no row where the card is in none. One look-up by index, because ranges do not overlap.
CREATE OR REPLACE FUNCTION promos_range_of(card bigint) RETURNS SETOF promos_cardrange
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT r.* FROM (SELECT * FROM promos_cardrange o WHERE o.first_serial <= card
                    ORDER BY o.first_serial DESC LIMIT 1) AS r
   WHERE r.last_serial >= card
$$;
