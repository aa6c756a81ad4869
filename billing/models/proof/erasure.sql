-- The erasure of a customer's personal data. Installed by every migrate.
CREATE OR REPLACE TRIGGER billing_customer_starts_unerased BEFORE INSERT ON billing_customer FOR EACH ROW
  WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION billing_refuse('a customer acts before it is erased');

-- An erased customer stays erased, and its account is closed: merges.sql lets it only be empty then.
CREATE OR REPLACE FUNCTION billing_check_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.erased_at IS NOT NULL THEN
    RAISE check_violation USING CONSTRAINT = 'billing_customer_stays_erased', TABLE = TG_TABLE_NAME,
      MESSAGE = 'an erased customer stays erased';
  END IF;
  UPDATE billing_account SET closed = true WHERE customer_id = NEW.id AND NOT closed;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_customer_erasure_checked BEFORE UPDATE ON billing_customer FOR EACH ROW
  WHEN (OLD.erased_at IS DISTINCT FROM NEW.erased_at) EXECUTE FUNCTION billing_check_erasure();

-- An erasure removes a person from the texts of an audit entry, and changes nothing else.
CREATE OR REPLACE TRIGGER billing_auditentry_facts_fixed BEFORE UPDATE ON billing_auditentry FOR EACH ROW
  WHEN ((NEW.id, NEW.action, NEW.object_type, NEW.actor_id, NEW.actor_role, NEW.channel, NEW.created_at, NEW.request_id)
        IS DISTINCT FROM
        (OLD.id, OLD.action, OLD.object_type, OLD.actor_id, OLD.actor_role, OLD.channel, OLD.created_at, OLD.request_id))
  EXECUTE FUNCTION billing_refuse('an erasure removes only what names a person');

-- Removes people from the audit trail: the address and network of these users' own acts, and every text that matches.
-- Returns each changed entry's place in the chain and the hash of what is left. The caller records them in an entry of
-- its own. So the chain itself attests an erasure, and an entry that is changed otherwise is found (verify_audit.sql).
-- It runs as its owner: a user with rows alone (deploy/roles.sql) may change the trail in no other way. Its search_path
-- names pg_temp last, or a temporary view of that user would take the place of a table, and run as the owner.
CREATE OR REPLACE FUNCTION billing_erase_audit(user_ids text[], pattern text)
RETURNS TABLE (number bigint, hash text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- The entries of this transaction join the chain first, as they are.
  PERFORM billing_chain_audit_now();
  PERFORM set_config('qasima.erasing', 'on', true);
  RETURN QUERY
  WITH erased AS (
    UPDATE billing_auditentry AS a
       SET object_id = regexp_replace(a.object_id, pattern, 'erased', 'gi'),
           changes = regexp_replace(a.changes::text, pattern, 'erased', 'gi')::jsonb,
           reason = regexp_replace(a.reason, pattern, 'erased', 'gi'),
           actor_email = CASE WHEN a.actor_id = ANY(user_ids) OR a.actor_email ~* pattern THEN '' ELSE a.actor_email END,
           address = CASE WHEN a.actor_id = ANY(user_ids) THEN NULL ELSE a.address END
     WHERE (a.actor_id = ANY(user_ids) AND (a.actor_email <> '' OR a.address IS NOT NULL)) OR a.actor_email ~* pattern
        OR a.object_id ~* pattern OR a.changes::text ~* pattern OR a.reason ~* pattern
    RETURNING a AS entry
  )
  SELECT l.number, encode(billing_audit_hash(p.hash, l.number, e.entry), 'hex')
    FROM erased AS e
    JOIN billing_auditlink AS l ON l.entry_id = (e.entry).id
    LEFT JOIN billing_auditlink AS p ON p.number = l.number - 1
   ORDER BY l.number;
  PERFORM set_config('qasima.erasing', 'off', true);
END $$;

-- Removes what matches from all texts and JSON values of all tables, but for those that are kept and those that are
-- append-only. Returns the number of changed rows.
CREATE OR REPLACE FUNCTION billing_erase_text(pattern text, kept text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  found record;
  changed bigint := 0;
  rows bigint;
  is_there boolean;
BEGIN
  PERFORM set_config('qasima.erasing', 'on', true);
  FOR found IN
    SELECT c.relname AS name, a.attname AS field, format_type(a.atttypid, a.atttypmod) AS kind
      FROM pg_attribute AS a
      JOIN pg_class AS c ON c.oid = a.attrelid
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
       AND c.relname <> ALL (kept) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
       AND a.atttypid = ANY (ARRAY['text', 'varchar', 'json', 'jsonb', 'text[]', 'varchar[]']::regtype[])
       AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname LIKE '%\_append\_only')
     ORDER BY c.relname, a.attnum
  LOOP
    -- Triggers of some tables refuse every UPDATE, also one that finds no row.
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %2$I::text ~* $1)', found.name, found.field)
       INTO is_there USING pattern;
    CONTINUE WHEN NOT is_there;
    EXECUTE format('UPDATE %I SET %2$I = regexp_replace(%2$I::text, $1, ''erased'', ''gi'')::%3$s WHERE %2$I::text ~* $1',
                   found.name, found.field, found.kind) USING pattern;
    GET DIAGNOSTICS rows = ROW_COUNT;
    changed := changed + rows;
  END LOOP;
  PERFORM set_config('qasima.erasing', 'off', true);
  RETURN changed;
END $$;
