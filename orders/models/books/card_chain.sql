-- The chain of the card entries, which works as the audit trail's does (billing/models/proof/audit_chain.sql): each entry's
-- hash covers the entry and the hash of the entry before. Signed heads cover its newest hash. Installed by every migrate.

-- Returns the text that an entry's hash covers. A column that is added to the table is added here, at the end and only
-- where it is given, so that the text of older entries stays. No column may be renamed or removed.
CREATE OR REPLACE FUNCTION orders_card_text(previous bytea, number bigint, e orders_cardentry) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT json_build_array(
    encode(previous, 'hex'), number, e.id, e.kind, e.amount_minor, e.currency, e.total_minor, e.order_id,
    e.stripe_object_id, (extract(epoch FROM e.created_at) * 1000000)::bigint)::text
$$;

CREATE OR REPLACE FUNCTION orders_card_hash(previous bytea, number bigint, e orders_cardentry) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(convert_to(orders_card_text(previous, number, e), 'UTF8'))
$$;

-- Adds an entry to the chain, when its transaction ends. Locks: the end of the audit trail's chain, then the end of this
-- one, so that two transactions which extend both do it in one order.
CREATE OR REPLACE FUNCTION orders_chain_new_card_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  place bigint;
  previous bytea;
  digest bytea;
BEGIN
  PERFORM FROM billing_auditchain WHERE id = 1 FOR NO KEY UPDATE;
  INSERT INTO orders_cardchain AS c (id, entries, hash) VALUES (1, 1, NULL)
    ON CONFLICT (id) DO UPDATE SET entries = c.entries + 1 RETURNING c.entries, c.hash INTO place, previous;
  digest := orders_card_hash(previous, place, NEW);
  INSERT INTO orders_cardlink (number, entry_id, hash) VALUES (place, NEW.id, digest);
  UPDATE orders_cardchain SET hash = digest WHERE id = 1;
  RETURN NULL;
END $$;

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'orders_cardentry_chained') THEN
    CREATE CONSTRAINT TRIGGER orders_cardentry_chained AFTER INSERT ON orders_cardentry
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_chain_new_card_entry();
  END IF;
END $$;

CREATE OR REPLACE TRIGGER orders_cardlink_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders_cardlink
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the chain of the card entries is append-only');
CREATE OR REPLACE TRIGGER orders_cardlink_by_entries BEFORE INSERT ON orders_cardlink FOR EACH STATEMENT
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse('the chain follows from the entries');
CREATE OR REPLACE TRIGGER orders_cardchain_moved_by_entries BEFORE INSERT OR UPDATE ON orders_cardchain
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION billing_refuse('the end of the chain follows from the entries');
CREATE OR REPLACE TRIGGER orders_cardchain_never_deleted BEFORE DELETE OR TRUNCATE ON orders_cardchain
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the end of the chain stays');

-- Chains the entries of a release that had no chain, once: an entry that is added later past the trigger stays outside
-- the chain, and is found.
CREATE OR REPLACE FUNCTION orders_chain_older_card_entries() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  e orders_cardentry;
  place bigint := 0;
  digest bytea;
BEGIN
  SET CONSTRAINTS ALL IMMEDIATE;  -- a table with deferred checks cannot be altered
  IF EXISTS (SELECT FROM orders_cardchain) OR NOT EXISTS (SELECT FROM orders_cardentry) THEN RETURN; END IF;
  ALTER TABLE orders_cardlink DISABLE TRIGGER orders_cardlink_by_entries;
  ALTER TABLE orders_cardchain DISABLE TRIGGER orders_cardchain_moved_by_entries;
  FOR e IN SELECT * FROM orders_cardentry ORDER BY created_at, abs(total_minor), id LOOP
    place := place + 1;
    digest := orders_card_hash(digest, place, e);
    INSERT INTO orders_cardlink (number, entry_id, hash) VALUES (place, e.id, digest);
  END LOOP;
  INSERT INTO orders_cardchain (id, entries, hash) VALUES (1, place, digest);
  SET CONSTRAINTS ALL IMMEDIATE;
  ALTER TABLE orders_cardlink ENABLE TRIGGER orders_cardlink_by_entries;
  ALTER TABLE orders_cardchain ENABLE TRIGGER orders_cardchain_moved_by_entries;
END $$;
SELECT orders_chain_older_card_entries();
