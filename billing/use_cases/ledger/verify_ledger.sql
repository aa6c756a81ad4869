-- Returns the first fault in the ledger, or no row if all of it adds up.
-- Recomputes everything from the entries' amounts and compares it with the stored balances and versions.
WITH entry AS (
  SELECT e.*, row_number() OVER sequence AS position, sum(amount_minor) OVER sequence AS running
    FROM billing_ledgerentry AS e
  WINDOW sequence AS (PARTITION BY account_id ORDER BY version)
), account AS (
  SELECT a.*, coalesce(e.sum_minor, 0) AS sum_minor, coalesce(e.entries, 0) AS entries,
         coalesce(h.active_holds, 0) AS active_holds
    FROM billing_account AS a
    LEFT JOIN (SELECT account_id, sum(amount_minor) AS sum_minor, count(*) AS entries FROM billing_ledgerentry
                GROUP BY account_id) AS e ON e.account_id = a.customer_id
    LEFT JOIN (SELECT account_id, sum(amount_minor) AS active_holds FROM billing_hold
                WHERE status = 'active' GROUP BY account_id) AS h ON h.account_id = a.customer_id
), lot AS (
  SELECT l.*, e.account_id AS account_of_entry, e.expires_at AS expiry_of_entry, e.version AS version_of_entry,
         e.amount_minor AS amount_of_entry, coalesce(nullif(e.credit_class, ''), 'promotional') AS class_of_entry,
         l.amount_minor + coalesce((SELECT sum(m.amount_minor) FROM billing_lotmove m
                                     WHERE m.lot_id = l.entry_id AND m.entry_id IS NOT NULL), 0) AS rest,
         coalesce((SELECT sum(m.amount_minor) FROM billing_lotmove m JOIN billing_hold h ON h.id = m.hold_id
                    WHERE m.lot_id = l.entry_id AND h.status = 'active'), 0) AS pinned
    FROM billing_lot AS l JOIN billing_ledgerentry AS e ON e.id = l.entry_id
), in_lots AS (
  SELECT a.*, coalesce(l.sum_left, 0) AS sum_left, coalesce(l.sum_held, 0) AS sum_held, l.soonest
    FROM billing_account AS a
    LEFT JOIN (SELECT account_id, sum(left_minor) AS sum_left, sum(held_minor) AS sum_held,
                      min(expires_at) FILTER (WHERE left_minor > held_minor) AS soonest
                 FROM billing_lot GROUP BY account_id) AS l ON l.account_id = a.customer_id
   WHERE a.lots_since IS NOT NULL OR l.account_id IS NOT NULL
), fault AS (
  SELECT 1 AS stage, account_id, version, 'ledger entry ' || id AS row,
         CASE WHEN version <> position THEN format('version %s instead of %s', version, position)
              WHEN balance_after_minor <> running THEN format('balance after %s, the sum is %s', balance_after_minor, running)
              ELSE format('the balance went below zero: %s', running) END AS wrong
    FROM entry WHERE version <> position OR balance_after_minor <> running OR running < 0
  UNION ALL
  SELECT 0, e.account_id, e.version, 'ledger entry ' || e.id, 'its account is missing'
    FROM billing_ledgerentry AS e
   WHERE NOT EXISTS (SELECT FROM billing_account AS a WHERE a.customer_id = e.account_id)
  UNION ALL
  SELECT 2, r.account_id, r.version, 'ledger entry ' || r.id, 'a reversal that does not mirror its entry'
    FROM billing_ledgerentry AS r JOIN billing_ledgerentry AS o ON o.id = r.reverses_id
   WHERE r.amount_minor <> -o.amount_minor OR r.account_id <> o.account_id OR o.kind = 'reversal'
  UNION ALL
  SELECT 3, h.account_id, 0, 'hold ' || h.id, 'captured, but its order has no spend of the amount'
    FROM billing_hold AS h
   WHERE h.status = 'captured' AND NOT EXISTS (
         SELECT FROM billing_ledgerentry AS e WHERE e.kind = 'spend' AND e.order_id = h.order_id
                 AND e.account_id = h.account_id AND e.amount_minor = -h.amount_minor)
  UNION ALL
  SELECT 3, min(account_id), 0, reason, 'a transfer that does not add up to zero in two accounts'
    FROM billing_ledgerentry WHERE kind = 'adjustment' AND reason LIKE 'transfer:%'
   GROUP BY reason HAVING (count(*), count(DISTINCT account_id), sum(amount_minor)) <> (2, 2, 0)
  UNION ALL
  SELECT 4, customer_id, version, 'account ' || customer_id, format('closed, its balance is %s', balance_minor)
    FROM account WHERE closed AND balance_minor <> 0
  UNION ALL
  SELECT 4, customer_id, version, 'account ' || customer_id,
         CASE WHEN balance_minor <> sum_minor THEN format('balance %s, its entries sum to %s', balance_minor, sum_minor)
              WHEN version <> entries THEN format('version %s, it has %s entries', version, entries)
              ELSE format('held %s, its active holds sum to %s', held_minor, active_holds) END
    FROM account WHERE balance_minor <> sum_minor OR version <> entries OR held_minor <> active_holds
  UNION ALL
  SELECT 5, account_id, version, 'lot ' || entry_id,
         CASE WHEN left_minor <> rest THEN format('left %s, its entries leave %s', left_minor, rest)
              WHEN held_minor <> pinned THEN format('held %s, its active holds sum to %s', held_minor, pinned)
              WHEN account_id <> account_of_entry THEN 'of another account than its entry'
              WHEN version <> version_of_entry THEN format('version %s, its entry has %s', version, version_of_entry)
              WHEN amount_minor > amount_of_entry THEN format('of %s, its entry brought %s', amount_minor, amount_of_entry)
              WHEN credit_class <> class_of_entry THEN format('%s credit, its entry says %s', credit_class, class_of_entry)
              ELSE format('expires at %s, its entry says %s', expires_at, expiry_of_entry) END
    FROM lot
   WHERE left_minor <> rest OR held_minor <> pinned OR account_id <> account_of_entry
      OR version <> version_of_entry OR amount_minor > amount_of_entry OR credit_class <> class_of_entry
      OR (expires_at IS NULL) <> (expiry_of_entry IS NULL) OR expires_at < expiry_of_entry
  UNION ALL
  SELECT 6, e.account_id, e.version, 'ledger entry ' || e.id,
         format('its lots account for %s of %s', moved.sum_minor, e.amount_minor)
    FROM in_lots AS a JOIN billing_ledgerentry AS e ON e.account_id = a.customer_id AND e.version >= a.lots_since
   CROSS JOIN LATERAL (SELECT coalesce((SELECT sum(m.amount_minor) FROM billing_lotmove m WHERE m.entry_id = e.id), 0)
                            + coalesce((SELECT l.amount_minor FROM billing_lot l WHERE l.entry_id = e.id), 0)
                              AS sum_minor) AS moved
   WHERE moved.sum_minor <> e.amount_minor
  UNION ALL
  SELECT 6, e.account_id, e.version, 'ledger entry ' || e.id, 'its lots are not those that its hash covers'
    FROM in_lots AS a JOIN billing_ledgerentry AS e ON e.account_id = a.customer_id AND e.version >= a.lots_since
   WHERE e.lots_hash IS NOT NULL AND e.lots_hash IS DISTINCT FROM billing_lots_hash(e.id)
  UNION ALL
  SELECT 6, e.account_id, e.version, 'ledger entry ' || e.id, format('expires credit that lasts until %s', o.expires_at)
    FROM billing_ledgerentry AS e JOIN billing_ledgerentry AS o ON o.id = e.lot_id
   WHERE e.kind = 'expiry' AND (o.expires_at IS NULL OR e.created_at < o.expires_at)
  UNION ALL
  SELECT 7, customer_id, version, 'account ' || customer_id,
         CASE WHEN lots_since IS NULL THEN 'has lots, but not since when'
              WHEN balance_minor <> sum_left THEN format('balance %s, its lots sum to %s', balance_minor, sum_left)
              WHEN held_minor <> sum_held THEN format('held %s, its lots hold %s', held_minor, sum_held)
              ELSE format('its next credit expires at %s, not %s', soonest, next_expiry) END
    FROM in_lots
   WHERE lots_since IS NULL OR balance_minor <> sum_left OR held_minor <> sum_held
      OR next_expiry IS DISTINCT FROM soonest
)
SELECT fault.row, fault.wrong, c.user_id
  FROM fault LEFT JOIN billing_customer AS c ON c.id = fault.account_id
 ORDER BY stage, account_id, version LIMIT 1
