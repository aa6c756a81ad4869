-- Takes grants back where all of their credit is still there. Called by run_bulk_grant.py; installed by every migrate.

-- Returns the free part of what is left of a grant: neither spent, nor expired, nor held. The account is locked, and
-- what has expired of it is posted. An account without lots spends and holds its oldest credit first (lots.sql).
CREATE OR REPLACE FUNCTION billing_free_of_grant(e billing_ledgerentry, a billing_account) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN a.lots_since IS NOT NULL
         THEN coalesce((SELECT l.left_minor - l.held_minor FROM billing_lot l WHERE l.entry_id = e.id), 0)
         ELSE least(e.amount_minor, a.balance_minor - a.held_minor - coalesce((
                SELECT sum(newer.amount_minor) FROM billing_ledgerentry newer
                 WHERE newer.account_id = e.account_id AND newer.version > e.version AND newer.amount_minor > 0
                   AND newer.reverses_id IS NULL
                   AND NOT EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = newer.id)), 0))::bigint END
$$;

-- Reverses those of these grants whose credit is all free, and returns each with the reason why it was kept, or NULL.
-- Each is of another account. Locks: the accounts, ascending.
CREATE OR REPLACE FUNCTION billing_undo_grants(entries uuid[], why_note text, by_actor billing_actor)
RETURNS TABLE (entry uuid, kept text)
SET plan_cache_mode = force_generic_plan LANGUAGE plpgsql AS $$
BEGIN
  PERFORM billing_expire_credit(
    (SELECT array_agg(e.account_id) FROM billing_ledgerentry e WHERE e.id = ANY (entries)));
  RETURN QUERY
  WITH judged AS MATERIALIZED (
    SELECT e AS given, CASE
             WHEN EXISTS (SELECT FROM billing_ledgerentry r WHERE r.reverses_id = e.id) THEN 'reversed'
             WHEN a.closed THEN 'merged'
             WHEN billing_free_of_grant(e, a) >= e.amount_minor THEN NULL
             WHEN EXISTS (SELECT FROM billing_ledgerentry x WHERE x.account_id = e.account_id AND x.lot_id = e.id
                                                              AND x.kind = 'expiry') THEN 'expired'
             WHEN a.held_minor > 0 AND a.held_minor + billing_free_of_grant(e, a) >= e.amount_minor THEN 'held'
             ELSE 'spent' END AS kept
      FROM unnest(entries) AS named(id)
      JOIN billing_ledgerentry e ON e.id = named.id JOIN billing_account a ON a.customer_id = e.account_id
  ), reversed AS (
    INSERT INTO billing_ledgerentry (account_id, kind, amount_minor, reason, note, reverses_id, actor_id, actor_role,
                                     channel, address)
    SELECT (j.given).account_id, 'reversal', -(j.given).amount_minor, left('reversal:' || (j.given).reason, 100),
           why_note, (j.given).id, by_actor.user_id, by_actor.role, by_actor.channel, by_actor.address
      FROM judged j WHERE j.kept IS NULL ORDER BY (j.given).account_id
  )
  SELECT (j.given).id, j.kept FROM judged j;
END $$;
