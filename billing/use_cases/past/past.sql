-- The ledger as of a past instant. Installed by every migrate.
--
-- An account's entries have versions without a gap, and none is older than the one before it (ledger.sql). So the entries
-- until an instant are those up to one version, which a binary search finds by a few look-ups in the index of versions.

-- Returns the version of an account's last entry until an instant; 0 before its first.
CREATE OR REPLACE FUNCTION billing_version_at(of_account bigint, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
  low bigint := 0;
  high bigint;
  middle bigint;
BEGIN
  SELECT version INTO high FROM billing_account WHERE customer_id = of_account;
  WHILE low < high LOOP
    middle := (low + high + 1) / 2;
    IF EXISTS (SELECT FROM billing_ledgerentry e
                WHERE e.account_id = of_account AND e.version = middle AND e.created_at <= as_of) THEN
      low := middle;
    ELSE
      high := middle - 1;
    END IF;
  END LOOP;
  RETURN low;
END $$;

-- Returns whether a hold was active at an instant. A captured one ends with the spend of its order.
CREATE OR REPLACE FUNCTION billing_hold_active_at(h billing_hold, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT h.created_at <= as_of AND CASE h.status
    WHEN 'active' THEN true
    WHEN 'captured' THEN coalesce(
      (SELECT e.created_at FROM billing_ledgerentry e WHERE e.order_id = h.order_id AND e.kind = 'spend'),
      h.closed_at) > as_of
    ELSE h.closed_at > as_of END
$$;

-- Returns when a lot expired, as its account knew after the entry of this version: credit that came back after the expiry
-- got a grace, here today's (lots.sql).
CREATE OR REPLACE FUNCTION billing_lot_expiry_at(e billing_ledgerentry, last bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
  expiry timestamptz := e.expires_at;
  back timestamptz;
BEGIN
  FOR back IN SELECT x.created_at FROM billing_lotmove m JOIN billing_ledgerentry x ON x.id = m.entry_id
               WHERE m.lot_id = e.id AND m.amount_minor > 0 AND x.version <= last ORDER BY x.version LOOP
    IF expiry <= back THEN
      expiry := back + make_interval(days => coalesce(nullif(current_setting('qasima.credit_grace_days', true), '')::int, 30));
    END IF;
  END LOOP;
  RETURN expiry;
END $$;

-- Returns the lots of an account of which something was left after the entry of this version, at that instant. Before an
-- account has lots, what is left of its credit are its newest grants, because the oldest is spent first (lots.sql).
CREATE OR REPLACE FUNCTION billing_lots_at(of_account bigint, last bigint, as_of timestamptz)
RETURNS TABLE (entry uuid, entry_version bigint, class text, expiry timestamptz, brought_minor bigint, rest_minor bigint,
               pinned_minor bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
  since bigint;
  balance bigint;
BEGIN
  SELECT lots_since INTO since FROM billing_account WHERE customer_id = of_account;
  IF since IS NULL OR last < since THEN
    SELECT balance_after_minor INTO balance FROM billing_ledgerentry e WHERE e.account_id = of_account AND e.version = last;
    RETURN QUERY
    SELECT o.id, o.version, o.class, NULL::timestamptz, o.amount_minor, least(o.amount_minor, balance - o.newer), 0::bigint
      FROM (SELECT e.id, e.version, e.amount_minor, coalesce(nullif(e.credit_class, ''), 'promotional')::text AS class,
                   sum(e.amount_minor) OVER (ORDER BY e.version DESC)::bigint - e.amount_minor AS newer
              FROM billing_ledgerentry e
             WHERE e.account_id = of_account AND e.version <= last AND e.amount_minor > 0 AND e.reverses_id IS NULL
               AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id AND r.version <= last)) AS o
     WHERE o.newer < balance
     ORDER BY o.version;
    RETURN;
  END IF;
  RETURN QUERY
  SELECT l.entry_id, l.version, l.credit_class::text,
         CASE WHEN l.expires_at IS DISTINCT FROM e.expires_at THEN billing_lot_expiry_at(e, last) ELSE e.expires_at END,
         e.amount_minor, l.amount_minor + coalesce(moved.minor, 0),
         coalesce(pinned.minor, 0)
    FROM billing_lot l
    JOIN billing_ledgerentry e ON e.id = l.entry_id
   CROSS JOIN LATERAL (
         SELECT sum(m.amount_minor)::bigint AS minor FROM billing_lotmove m JOIN billing_ledgerentry x ON x.id = m.entry_id
          WHERE m.lot_id = l.entry_id AND x.version <= last) AS moved
   CROSS JOIN LATERAL (
         SELECT sum(m.amount_minor)::bigint AS minor FROM billing_lotmove m JOIN billing_hold h ON h.id = m.hold_id
          WHERE m.lot_id = l.entry_id AND billing_hold_active_at(h, as_of)) AS pinned
   WHERE l.account_id = of_account AND l.version <= last AND l.amount_minor + coalesce(moved.minor, 0) > 0
   ORDER BY 4, l.version;
END $$;

-- Returns an account's position at an instant: the balance of its entries until then, what was held, and what had expired
-- without an expiry entry. `corrected_minor` is the balance with the reversals that followed later, of entries
-- until then.
CREATE OR REPLACE FUNCTION billing_position_at(of_account bigint, as_of timestamptz)
RETURNS TABLE (last_version bigint, balance_minor bigint, held_minor bigint, expired_minor bigint, corrected_minor bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
  last_version := billing_version_at(of_account, as_of);
  balance_minor := coalesce((SELECT e.balance_after_minor FROM billing_ledgerentry e
                              WHERE e.account_id = of_account AND e.version = last_version), 0);
  held_minor := coalesce((SELECT sum(h.amount_minor) FROM billing_hold h
                           WHERE h.account_id = of_account AND billing_hold_active_at(h, as_of)), 0);
  expired_minor := 0;
  IF EXISTS (SELECT FROM billing_account a WHERE a.customer_id = of_account AND a.lots_since <= last_version) THEN
    expired_minor := coalesce((SELECT sum(l.rest_minor - l.pinned_minor)
                                 FROM billing_lots_at(of_account, last_version, as_of) AS l
                                WHERE l.expiry <= as_of AND l.rest_minor > l.pinned_minor), 0);
  END IF;
  corrected_minor := balance_minor + coalesce(
    (SELECT sum(r.amount_minor) FROM billing_ledgerentry r JOIN billing_ledgerentry e ON e.id = r.reverses_id
      WHERE r.account_id = of_account AND r.version > last_version AND e.version <= last_version), 0);
  RETURN NEXT;
END $$;
