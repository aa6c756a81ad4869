-- The ledger keeps itself. Installed by every migrate; no statement outside this file writes
-- balance_minor, held_minor, version or balance_after_minor.
--
--   INSERT INTO billing_ledgerentry   moves the account and stamps version, balance_after_minor and both hashes (proof/chain.sql);
--                                     created_at is never before the account's entry before
--   INSERT INTO billing_dated_grants  the same for one grant each of several customers, at half the cost
--   INSERT INTO billing_hold          raises held_minor; closing the hold lowers it
--   everything else                   is refused: UPDATE, DELETE, TRUNCATE of entries, direct writes to an account
--
-- An account that holds, or once held, expiring credit has lots (lots.sql). Before an entry or a hold moves such an
-- account, what has expired by then is posted, so no expired credit is ever spent or held.
--
-- Locks: the UPDATE of the account takes its row FOR NO KEY UPDATE, so entries of one account are made one
-- after the other and version has no gap. balance_minor >= held_minor is the account's CHECK constraint.

-- The actor, as functions of this service take it (see actor.py).
DO $$ BEGIN
  CREATE TYPE billing_actor AS (user_id text, role text, channel text, address inet);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE OR REPLACE FUNCTION billing_post_entry() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  original record;
  is_closed boolean;
  previous record;  -- the hash and the time of the account's entry before
  since bigint;
BEGIN
  IF NEW.reverses_id IS NOT NULL THEN
    SELECT account_id, amount_minor, kind, reason INTO original FROM billing_ledgerentry WHERE id = NEW.reverses_id;
    IF original.account_id IS DISTINCT FROM NEW.account_id
       OR original.amount_minor IS DISTINCT FROM -NEW.amount_minor
       OR original.kind = 'reversal' OR original.reason LIKE 'transfer:%' THEN
      RAISE check_violation USING CONSTRAINT = 'billing_ledgerentry_reversal_mirrors_entry',
        MESSAGE = 'a reversal undoes exactly one entry of its own account, which is neither a reversal nor a transfer';
    END IF;
  END IF;
  -- billing_post_dated_grants moves the account itself. What a client gives as version or balance is overwritten.
  IF NEW.version = 0 OR pg_trigger_depth() = 1 THEN
    FOR attempt IN 1..2 LOOP
      UPDATE billing_account
         SET balance_minor = balance_minor + NEW.amount_minor, version = version + 1
       WHERE customer_id = NEW.account_id
         AND (next_expiry IS NULL OR next_expiry > NEW.created_at OR NEW.kind = 'expiry' OR attempt = 2)
      RETURNING version, balance_minor, closed, lots_since INTO NEW.version, NEW.balance_after_minor, is_closed, since;
      EXIT WHEN FOUND;
      PERFORM billing_expire_credit(ARRAY[NEW.account_id], NEW.created_at);
    END LOOP;
    -- The foreign key is checked later than this, and would name no account either.
    IF NEW.version IS NULL THEN
      RAISE foreign_key_violation USING CONSTRAINT = 'billing_ledgerentry_account_exists',
        MESSAGE = 'a ledger entry needs an account';
    END IF;
    IF is_closed AND NEW.kind <> 'reversal' AND NEW.reason NOT LIKE 'transfer:%' THEN
      RAISE check_violation USING CONSTRAINT = 'billing_ledgerentry_account_open',
        MESSAGE = 'the account of a merged customer takes only reversals and transfers';
    END IF;
    IF since IS NOT NULL OR NEW.expires_at IS NOT NULL OR NEW.lot_id IS NOT NULL THEN
      PERFORM billing_move_lots(NEW, since);
      NEW.lots_hash := billing_lots_hash(NEW.id);
    ELSE
      NEW.lots_hash := NULL;
    END IF;
  END IF;
  IF NEW.version > 1 THEN
    SELECT hash, created_at INTO previous FROM billing_ledgerentry
     WHERE account_id = NEW.account_id AND version = NEW.version - 1;
    -- A statement may begin before another one and get the account after it. No entry is older than the one before.
    NEW.created_at := greatest(NEW.created_at, previous.created_at);
    NEW.hash := billing_entry_hash(previous.hash, NEW);
  ELSE
    NEW.hash := billing_entry_hash(NULL, NEW);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_ledgerentry_post BEFORE INSERT ON billing_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION billing_post_entry();

-- One grant for each of several customers: INSERT INTO billing_dated_grants SELECT array_agg(ROW(...)::billing_dated_grant)
-- FROM ... The view keeps no rows. A grant without an account, or two grants of one account, refuse the whole statement. One
-- UPDATE moves all accounts; with one UPDATE a row, an entry costs the server twice as much. The caller has locked the
-- accounts, and posted what has expired of them (billing_lock_accounts).
DO $$ BEGIN
  CREATE TYPE billing_dated_grant AS (
    entry uuid, account_id bigint, amount_minor bigint, reason text, note text, order_id uuid, redemption_id uuid,
    actor billing_actor, credit_class text, expires_at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE OR REPLACE VIEW billing_dated_grants AS SELECT NULL::billing_dated_grant[] AS grants WHERE false;

CREATE OR REPLACE FUNCTION billing_post_dated_grants() RETURNS trigger
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
LANGUAGE plpgsql AS $$
DECLARE
  posted bigint;
  in_lots uuid[];
BEGIN
  WITH moved AS (
    UPDATE billing_account a
       SET balance_minor = a.balance_minor + g.amount_minor, version = a.version + 1,
           next_expiry = CASE WHEN a.lots_since IS NULL THEN NULL ELSE least(a.next_expiry, g.expires_at) END
      FROM unnest(NEW.grants) AS g WHERE a.customer_id = g.account_id AND NOT a.closed
    RETURNING g.*, a.version, a.balance_minor, a.lots_since
  ), written AS (
    INSERT INTO billing_ledgerentry (id, account_id, version, kind, amount_minor, balance_after_minor, reason, note,
                                     order_id, redemption_id, credit_class, expires_at, actor_id, actor_role, channel,
                                     address)
    SELECT entry, account_id, version, 'grant', amount_minor, balance_minor, reason, note, order_id, redemption_id,
           credit_class, expires_at, (actor).user_id, (actor).role, (actor).channel, (actor).address FROM moved
  )
  SELECT count(*), array_agg(entry) FILTER (WHERE lots_since IS NOT NULL OR expires_at IS NOT NULL) INTO posted, in_lots
    FROM moved;
  IF posted <> cardinality(NEW.grants) THEN
    RAISE foreign_key_violation USING CONSTRAINT = 'billing_grants_account_each',
      MESSAGE = 'each grant of a statement needs an open account, and another one than the others';
  END IF;
  IF in_lots IS NOT NULL THEN
    INSERT INTO billing_lot (entry_id, account_id, version, amount_minor, left_minor, credit_class, expires_at)
    SELECT g.entry, g.account_id, a.version, g.amount_minor, g.amount_minor,
           coalesce(nullif(g.credit_class, ''), 'promotional'), g.expires_at
      FROM unnest(NEW.grants) AS g JOIN billing_account a ON a.customer_id = g.account_id WHERE a.lots_since IS NOT NULL;
    -- The first credit of an account that expires opens its lots.
    PERFORM billing_move_lots(e, NULL)
       FROM billing_ledgerentry e JOIN billing_account a ON a.customer_id = e.account_id
      WHERE e.id = ANY (in_lots) AND a.lots_since IS NULL;
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_dated_grants_post INSTEAD OF INSERT ON billing_dated_grants
  FOR EACH ROW EXECUTE FUNCTION billing_post_dated_grants();

-- Grants as functions of the last release post them: they name neither class nor expiry.
DO $$ BEGIN
  CREATE TYPE billing_grant AS (
    entry uuid, account_id bigint, amount_minor bigint, reason text, note text, order_id uuid, redemption_id uuid,
    actor billing_actor);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE OR REPLACE VIEW billing_grants AS SELECT NULL::billing_grant[] AS grants WHERE false;

CREATE OR REPLACE FUNCTION billing_post_grants() RETURNS trigger
SET plan_cache_mode = force_generic_plan LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO billing_dated_grants
  SELECT array_agg(ROW(g.entry, g.account_id, g.amount_minor, g.reason, g.note, g.order_id, g.redemption_id, g.actor,
                       '', NULL)::billing_dated_grant) FROM unnest(NEW.grants) AS g;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_grants_post INSTEAD OF INSERT ON billing_grants
  FOR EACH ROW EXECUTE FUNCTION billing_post_grants();

-- Refuses the statement; the trigger that calls it says which and why.
CREATE OR REPLACE FUNCTION billing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE restrict_violation USING CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
    MESSAGE = format('%s of %s is refused: %s', TG_OP, TG_TABLE_NAME, TG_ARGV[0]);
END $$;

CREATE OR REPLACE TRIGGER billing_ledgerentry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgerentry
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the ledger is append-only, corrections are reversals');
-- But for an erasure (erasure.sql).
CREATE OR REPLACE TRIGGER billing_auditentry_append_only BEFORE UPDATE ON billing_auditentry FOR EACH STATEMENT
  WHEN (current_setting('qasima.erasing', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION billing_refuse('the audit trail is append-only');
CREATE OR REPLACE TRIGGER billing_auditentry_never_deleted BEFORE DELETE OR TRUNCATE ON billing_auditentry
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the audit trail is append-only');
CREATE OR REPLACE TRIGGER billing_account_never_deleted BEFORE DELETE OR TRUNCATE ON billing_account
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('an account stays');
CREATE OR REPLACE TRIGGER billing_hold_never_deleted BEFORE DELETE OR TRUNCATE ON billing_hold
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a hold is closed, never deleted');

-- INSERT ... ON CONFLICT would run the triggers that move the account and then leave the row away. PostgreSQL refuses
-- it, and MERGE, for a table with a rule on UPDATE; these rules do nothing else.
CREATE OR REPLACE RULE billing_ledgerentry_no_conflict_passed_over AS ON UPDATE TO billing_ledgerentry
  WHERE false DO NOTHING;
CREATE OR REPLACE RULE billing_hold_no_conflict_passed_over AS ON UPDATE TO billing_hold
  WHERE false DO NOTHING;

-- An account starts empty, and its figures move only from inside the triggers of this file (depth > 0).
CREATE OR REPLACE TRIGGER billing_account_starts_empty BEFORE INSERT ON billing_account FOR EACH ROW
  WHEN (NEW.balance_minor <> 0 OR NEW.held_minor <> 0 OR NEW.version <> 0)
  EXECUTE FUNCTION billing_refuse('an account starts empty');
CREATE OR REPLACE TRIGGER billing_account_moved_by_entries BEFORE UPDATE ON billing_account FOR EACH STATEMENT
  WHEN (pg_trigger_depth() = 0)
  EXECUTE FUNCTION billing_refuse('balance and held credit follow from ledger entries and holds');

CREATE OR REPLACE FUNCTION billing_apply_hold() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  since bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'active' THEN
      RAISE check_violation USING CONSTRAINT = 'billing_hold_starts_active', MESSAGE = 'a hold starts active';
    END IF;
    FOR attempt IN 1..2 LOOP
      UPDATE billing_account SET held_minor = held_minor + NEW.amount_minor
       WHERE customer_id = NEW.account_id AND (next_expiry IS NULL OR next_expiry > NEW.created_at OR attempt = 2)
      RETURNING lots_since INTO since;
      EXIT WHEN FOUND;
      PERFORM billing_expire_credit(ARRAY[NEW.account_id], NEW.created_at);
    END LOOP;
    IF since IS NOT NULL THEN PERFORM billing_pin_lots(NEW); END IF;
    RETURN NEW;
  END IF;
  IF OLD.status <> 'active' OR NEW.status = 'active'
     OR (NEW.id, NEW.account_id, NEW.order_id, NEW.amount_minor)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.order_id, OLD.amount_minor) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_hold_closes_once',
      MESSAGE = 'a hold changes once: from active to captured or released';
  END IF;
  UPDATE billing_account SET held_minor = held_minor - OLD.amount_minor WHERE customer_id = OLD.account_id
  RETURNING lots_since INTO since;
  -- The spend of a captured hold takes what the hold set aside.
  IF since IS NOT NULL AND NEW.status = 'released' THEN PERFORM billing_unpin_lots(NEW); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_hold_apply BEFORE INSERT OR UPDATE ON billing_hold
  FOR EACH ROW EXECUTE FUNCTION billing_apply_hold();
