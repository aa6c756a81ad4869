-- The chain of the audit trail, which works as the ledger's does (chain.sql): each entry's hash covers the entry and the
-- hash of the entry before. Signed heads cover its newest hash. Installed by every migrate.

-- Returns the text that an entry's hash covers. A column that is added to the table is added here, at the end and only
-- where it is given, so that the text of older entries stays. No column may be renamed or removed.
CREATE OR REPLACE FUNCTION billing_audit_text(previous bytea, number bigint, e billing_auditentry) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT json_build_array(
    encode(previous, 'hex'), number, e.id, e.action, e.object_type, e.object_id, e.changes::text, e.reason, e.actor_id,
    e.actor_role, e.actor_email, e.channel, e.address, (extract(epoch FROM e.created_at) * 1000000)::bigint,
    e.request_id)::text
$$;

CREATE OR REPLACE FUNCTION billing_audit_hash(previous bytea, number bigint, e billing_auditentry) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(convert_to(billing_audit_text(previous, number, e), 'UTF8'))
$$;

-- Adds an entry to the chain. The row of the chain's end stays locked until the commit, but is written once, after the
-- last entry: a transaction that updates one row again and again reads all of its old versions. Until then the newest
-- link is the end.
CREATE OR REPLACE FUNCTION billing_chain_audit_entry(e billing_auditentry) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  place bigint;
  previous bytea;
  newer record;
BEGIN
  LOOP
    SELECT entries, hash INTO place, previous FROM billing_auditchain WHERE id = 1 FOR NO KEY UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO billing_auditchain (id, entries) VALUES (1, 0) ON CONFLICT DO NOTHING;
  END LOOP;
  SELECT number, hash INTO newer FROM billing_auditlink WHERE number > place ORDER BY number DESC LIMIT 1;
  IF FOUND THEN
    place := newer.number;
    previous := newer.hash;
  END IF;
  place := place + 1;
  INSERT INTO billing_auditlink (number, entry_id, hash)
  VALUES (place, e.id, billing_audit_hash(previous, place, e));
END $$;

CREATE OR REPLACE FUNCTION billing_chain_new_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM billing_chain_audit_entry(NEW);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION billing_move_audit_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.number = (SELECT max(number) FROM billing_auditlink) THEN
    UPDATE billing_auditchain SET entries = NEW.number, hash = NEW.hash WHERE id = 1;
  END IF;
  RETURN NULL;
END $$;

-- They wait for the end of the transaction, so that the chain's end, which all entries share, is locked only for the
-- commit, and after everything else. Triggers of links are queued behind those of all entries.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'billing_auditentry_chained') THEN
    CREATE CONSTRAINT TRIGGER billing_auditentry_chained AFTER INSERT ON billing_auditentry
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_chain_new_audit_entry();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'billing_auditlink_moves_end') THEN
    CREATE CONSTRAINT TRIGGER billing_auditlink_moves_end AFTER INSERT ON billing_auditlink
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_move_audit_end();
  END IF;
END $$;

-- Adds the entries of the transaction to the chain now, not at its end.
CREATE OR REPLACE FUNCTION billing_chain_audit_now() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  SET CONSTRAINTS billing_auditentry_chained IMMEDIATE;
  SET CONSTRAINTS billing_auditlink_moves_end IMMEDIATE;
  SET CONSTRAINTS billing_auditentry_chained, billing_auditlink_moves_end DEFERRED;
END $$;

CREATE OR REPLACE TRIGGER billing_auditlink_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_auditlink
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the chain of the audit trail is append-only');
CREATE OR REPLACE TRIGGER billing_auditlink_by_entries BEFORE INSERT ON billing_auditlink FOR EACH STATEMENT
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse('the chain follows from the entries');
CREATE OR REPLACE TRIGGER billing_auditchain_moved_by_entries BEFORE INSERT OR UPDATE ON billing_auditchain
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION billing_refuse('the end of the chain follows from the entries');
CREATE OR REPLACE TRIGGER billing_auditchain_never_deleted BEFORE DELETE OR TRUNCATE ON billing_auditchain
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the end of the chain stays');

-- Chains the entries of a release that had no chain, once: an entry that is added later past the trigger stays outside
-- the chain, and is found.
CREATE OR REPLACE FUNCTION billing_chain_older_audit_entries() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  e billing_auditentry;
  place bigint := 0;
  digest bytea;
BEGIN
  IF EXISTS (SELECT FROM billing_auditchain) OR NOT EXISTS (SELECT FROM billing_auditentry) THEN RETURN; END IF;
  SET CONSTRAINTS ALL IMMEDIATE;  -- a table with deferred checks cannot be altered
  ALTER TABLE billing_auditlink DISABLE TRIGGER billing_auditlink_by_entries;
  ALTER TABLE billing_auditchain DISABLE TRIGGER billing_auditchain_moved_by_entries;
  -- The end is written once: a transaction that updates one row again and again reads all of its old versions.
  FOR e IN SELECT * FROM billing_auditentry ORDER BY created_at, id LOOP
    place := place + 1;
    digest := billing_audit_hash(digest, place, e);
    INSERT INTO billing_auditlink (number, entry_id, hash) VALUES (place, e.id, digest);
  END LOOP;
  INSERT INTO billing_auditchain (id, entries, hash) VALUES (1, place, digest);
  SET CONSTRAINTS ALL IMMEDIATE;
  ALTER TABLE billing_auditlink ENABLE TRIGGER billing_auditlink_by_entries;
  ALTER TABLE billing_auditchain ENABLE TRIGGER billing_auditchain_moved_by_entries;
END $$;
SELECT billing_chain_older_audit_entries();
