-- Returns how many entries the accounts of this range have, and the account and version of the first entry whose hash
-- does not follow from the entry and from the hash before it. The entry is put together from its columns, in the order of
-- the table: PostgreSQL then reads each column once, and not the whole row again for each column that the hash covers.
SELECT count(*), min(ARRAY[c.account_id, c.version])
                 FILTER (WHERE c.hash IS DISTINCT FROM billing_entry_hash(c.previous, ROW(
                   c.id, c.version, c.kind, c.amount_minor, c.balance_after_minor, c.reason, c.note, c.order_id,
                   c.redemption_id, c.actor_id, c.actor_role, c.channel, c.address, c.created_at, c.reverses_id,
                   c.account_id, c.hash, c.credit_class, c.expires_at, c.lot_id, c.lots_hash)::billing_ledgerentry))
  FROM (SELECT e.*, lag(e.hash) OVER (PARTITION BY e.account_id ORDER BY e.version) AS previous
          FROM billing_ledgerentry AS e
         WHERE e.account_id > %(after)s AND e.account_id <= %(last)s) AS c
