-- Lots: what is left of each grant of an account that holds, or once held, expiring credit. Installed by every migrate.
--
-- An account without expiring credit has no lots: it pays one comparison of a NULL for them. Its first grant that expires opens
-- them: what is left of its earlier credit are its newest grants, because the oldest is spent first. From then on
-- each entry and each hold of the account names its lots (billing_lotmove), and the account knows when the next of its
-- credit expires (next_expiry). A trigger on the entry or the hold calls these functions (ledger.sql); nothing else may
-- write the two tables. The account's row is locked by then.
--
-- Two settings of the database, which an operator may change: qasima.spend_sold_first (off: sold credit is spent last) and
-- qasima.credit_grace_days (30).

-- Returns the lots that a spend or a hold of this amount takes from, in order: the preferred lot, then the soonest
-- expiry, then sold or other credit, whichever a setting names first, then the oldest.
CREATE OR REPLACE FUNCTION billing_next_lots(of_account bigint, wanted bigint, preferred uuid)
RETURNS TABLE (lot uuid, part bigint)
LANGUAGE sql STABLE AS $$
  SELECT o.entry_id, least(o.free, wanted - o.before)
    FROM (SELECT l.entry_id, l.left_minor - l.held_minor AS free,
                 sum(l.left_minor - l.held_minor) OVER (
                   ORDER BY (l.entry_id IS NOT DISTINCT FROM preferred) DESC, l.expires_at,
                            (l.credit_class = 'sold') IS DISTINCT FROM
                            (coalesce(current_setting('qasima.spend_sold_first', true), 'off') = 'on'),
                            l.version
                   ROWS UNBOUNDED PRECEDING)::bigint - (l.left_minor - l.held_minor) AS before
            FROM billing_lot l WHERE l.account_id = of_account AND l.left_minor > 0 AND l.left_minor > l.held_minor) AS o
   WHERE o.before < wanted
$$;

-- Takes the amount of a negative entry from lots: from the one that it names; from those that the order's captured hold set
-- aside; else as billing_next_lots says, and a reversal first from the lot of the entry that it undoes.
CREATE OR REPLACE FUNCTION billing_take_from_lots(e billing_ledgerentry) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  taken bigint := 0;
  pinned bigint := 0;
BEGIN
  IF e.lot_id IS NOT NULL THEN
    UPDATE billing_lot SET left_minor = left_minor + e.amount_minor
     WHERE entry_id = e.lot_id AND account_id = e.account_id AND left_minor - held_minor >= -e.amount_minor
       AND (e.kind <> 'expiry' OR expires_at <= e.created_at);
    IF NOT FOUND THEN
      RAISE check_violation USING CONSTRAINT = 'billing_ledgerentry_lot_has_amount',
        MESSAGE = 'the lot that an entry names has less left, is of another account, or expires later';
    END IF;
    INSERT INTO billing_lotmove (lot_id, entry_id, amount_minor) VALUES (e.lot_id, e.id, e.amount_minor);
    RETURN;
  END IF;
  IF e.kind = 'spend' THEN
    WITH held AS (
      SELECT m.lot_id, m.amount_minor FROM billing_hold h JOIN billing_lotmove m ON m.hold_id = h.id
       WHERE h.order_id = e.order_id AND h.account_id = e.account_id AND h.status = 'captured'
    ), moved AS (
      UPDATE billing_lot l SET left_minor = l.left_minor - held.amount_minor,
                               held_minor = l.held_minor - held.amount_minor
        FROM held WHERE l.entry_id = held.lot_id
    ), written AS (
      INSERT INTO billing_lotmove (lot_id, entry_id, amount_minor) SELECT lot_id, e.id, -amount_minor FROM held
    )
    SELECT coalesce(sum(amount_minor), 0) INTO pinned FROM held;
  END IF;
  IF pinned < -e.amount_minor THEN
    WITH next AS MATERIALIZED (
      SELECT lot, part FROM billing_next_lots(e.account_id, -e.amount_minor - pinned, e.reverses_id)
    ), moved AS (
      UPDATE billing_lot l SET left_minor = l.left_minor - next.part FROM next WHERE l.entry_id = next.lot
    ), written AS (
      INSERT INTO billing_lotmove (lot_id, entry_id, amount_minor) SELECT lot, e.id, -part FROM next
    )
    SELECT coalesce(sum(part), 0) INTO taken FROM next;
  END IF;
  IF pinned + taken <> -e.amount_minor THEN
    RAISE check_violation USING CONSTRAINT = 'billing_lot_covers_entry',
      MESSAGE = 'an entry takes exactly its amount from the lots of its account';
  END IF;
END $$;

-- Gives the amount of a reversal back to the lots that the undone entry took from, and returns how much that was. A lot
-- that has expired since gets a grace.
CREATE OR REPLACE FUNCTION billing_give_back_to_lots(e billing_ledgerentry) RETURNS bigint
LANGUAGE sql AS $$
  WITH back AS MATERIALIZED (
    SELECT m.lot_id, -m.amount_minor AS part FROM billing_lotmove m WHERE m.entry_id = e.reverses_id
  ), moved AS (
    UPDATE billing_lot l
       SET left_minor = l.left_minor + back.part,
           expires_at = CASE WHEN l.expires_at <= e.created_at
                        THEN e.created_at + make_interval(days => coalesce(
                               nullif(current_setting('qasima.credit_grace_days', true), '')::int, 30))
                        ELSE l.expires_at END
      FROM back WHERE l.entry_id = back.lot_id
  ), written AS (
    INSERT INTO billing_lotmove (lot_id, entry_id, amount_minor) SELECT lot_id, e.id, part FROM back
  )
  SELECT coalesce(sum(part), 0)::bigint FROM back
$$;

-- Stores when the next of an account's credit expires. Held credit does not.
CREATE OR REPLACE FUNCTION billing_set_next_expiry(of_account bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE billing_account a SET next_expiry = soonest.at
    FROM (SELECT min(l.expires_at) AS at FROM billing_lot l
           WHERE l.account_id = of_account AND l.left_minor > 0 AND l.left_minor > l.held_minor) AS soonest
   WHERE a.customer_id = of_account AND a.next_expiry IS DISTINCT FROM soonest.at
$$;

-- Sets this amount of an account's lots aside for a hold: credit of an open payment does not expire.
CREATE OR REPLACE FUNCTION billing_pin_lots(h billing_hold) RETURNS void LANGUAGE sql AS $$
  WITH next AS MATERIALIZED (
    SELECT lot, part FROM billing_next_lots(h.account_id, h.amount_minor, NULL)
  ), moved AS (
    UPDATE billing_lot l SET held_minor = l.held_minor + next.part FROM next WHERE l.entry_id = next.lot
  )
  INSERT INTO billing_lotmove (lot_id, hold_id, amount_minor) SELECT lot, h.id, part FROM next;
  SELECT billing_set_next_expiry(h.account_id)
$$;

-- Gives up what a released hold set aside.
CREATE OR REPLACE FUNCTION billing_unpin_lots(h billing_hold) RETURNS void LANGUAGE sql AS $$
  UPDATE billing_lot l SET held_minor = l.held_minor - m.amount_minor
    FROM billing_lotmove m WHERE m.hold_id = h.id AND l.entry_id = m.lot_id;
  SELECT billing_set_next_expiry(h.account_id)
$$;

-- Opens the lots of what is left of an account's credit, before the entry of this version. None of it expires.
CREATE OR REPLACE FUNCTION billing_open_lots(of_account bigint, since bigint, balance bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  h billing_hold;
BEGIN
  UPDATE billing_account SET lots_since = since WHERE customer_id = of_account;
  INSERT INTO billing_lot (entry_id, account_id, version, amount_minor, left_minor, credit_class)
  SELECT o.id, of_account, o.version, least(o.amount_minor, balance - o.newer), least(o.amount_minor, balance - o.newer),
         o.credit_class
    FROM (SELECT e.id, e.version, e.amount_minor, coalesce(nullif(e.credit_class, ''), 'promotional') AS credit_class,
                 sum(e.amount_minor) OVER (ORDER BY e.version DESC)::bigint - e.amount_minor AS newer
            FROM billing_ledgerentry e
           WHERE e.account_id = of_account AND e.version < since AND e.amount_minor > 0 AND e.reverses_id IS NULL
             AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id)) AS o
   WHERE o.newer < balance;
  FOR h IN SELECT * FROM billing_hold WHERE account_id = of_account AND status = 'active' ORDER BY id LOOP
    PERFORM billing_pin_lots(h);
  END LOOP;
END $$;

-- Applies an entry to its account's lots; `since` is the account's lots_since, NULL where this entry opens them.
CREATE OR REPLACE FUNCTION billing_move_lots(e billing_ledgerentry, since bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  rest bigint := e.amount_minor;
BEGIN
  IF since IS NULL THEN
    PERFORM billing_open_lots(e.account_id, e.version, e.balance_after_minor - e.amount_minor);
  END IF;
  IF e.amount_minor < 0 THEN
    PERFORM billing_take_from_lots(e);
  ELSE
    IF e.reverses_id IS NOT NULL THEN
      rest := rest - billing_give_back_to_lots(e);
    END IF;
    IF rest > 0 THEN  -- also of an entry undone that is older than the lots
      INSERT INTO billing_lot (entry_id, account_id, version, amount_minor, left_minor, credit_class, expires_at)
      VALUES (e.id, e.account_id, e.version, rest, rest, coalesce(nullif(e.credit_class, ''), 'promotional'),
              e.expires_at);
    END IF;
  END IF;
  PERFORM billing_set_next_expiry(e.account_id);
END $$;

-- Posts an expiry entry for each lot of these accounts that has expired by an instant and is not held. Returns how many.
--
-- Every entry and hold of an account does this first (ledger.sql), and a job does it each hour. Locks: the accounts,
-- ascending.
CREATE OR REPLACE FUNCTION billing_expire_credit(accounts bigint[], as_of timestamptz DEFAULT statement_timestamp())
RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  posted integer;
BEGIN
  -- Races with another spend or expiry of the same credit, so the next statement reads the lots under the lock.
  PERFORM FROM billing_account WHERE customer_id = ANY (accounts) ORDER BY customer_id FOR NO KEY UPDATE;
  INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, lot_id, credit_class, actor_id, actor_role,
                                   channel, created_at)
  SELECT l.account_id, 'expiry', l.held_minor - l.left_minor, 'expiry', l.entry_id, l.credit_class, 'system', 'system',
         'worker', as_of
    FROM billing_lot l
   WHERE l.account_id = ANY (accounts) AND l.left_minor > 0 AND l.left_minor > l.held_minor AND l.expires_at <= as_of
   ORDER BY l.account_id, l.expires_at, l.version;
  GET DIAGNOSTICS posted = ROW_COUNT;
  RETURN posted;
END $$;

-- Returns the credit of an account that has expired by an instant, and of which no entry tells yet.
CREATE OR REPLACE FUNCTION billing_expired_minor(of_account bigint, as_of timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(l.left_minor - l.held_minor), 0)::bigint FROM billing_lot l
   WHERE l.account_id = of_account AND l.left_minor > 0 AND l.expires_at <= as_of
$$;

-- Only the triggers of ledger.sql write lots (depth > 0); a reminder is noted from outside.
CREATE OR REPLACE TRIGGER billing_lot_follows_entries BEFORE INSERT ON billing_lot FOR EACH STATEMENT
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse('lots follow from ledger entries and holds');
CREATE OR REPLACE TRIGGER billing_lot_moved_by_entries BEFORE UPDATE ON billing_lot FOR EACH ROW
  WHEN (pg_trigger_depth() = 0 AND
        (OLD.entry_id, OLD.account_id, OLD.version, OLD.amount_minor, OLD.left_minor, OLD.held_minor, OLD.credit_class,
         OLD.expires_at) IS DISTINCT FROM
        (NEW.entry_id, NEW.account_id, NEW.version, NEW.amount_minor, NEW.left_minor, NEW.held_minor, NEW.credit_class,
         NEW.expires_at))
  EXECUTE FUNCTION billing_refuse('lots follow from ledger entries and holds');
CREATE OR REPLACE TRIGGER billing_lot_never_deleted BEFORE DELETE OR TRUNCATE ON billing_lot
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a lot stays');
CREATE OR REPLACE TRIGGER billing_lotmove_follows_entries BEFORE INSERT ON billing_lotmove FOR EACH STATEMENT
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse('lots follow from ledger entries and holds');
CREATE OR REPLACE TRIGGER billing_lotmove_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_lotmove
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('what an entry took from a lot stays');
