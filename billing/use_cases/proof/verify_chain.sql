-- Returns how many entries the accounts of this range have, and the account and version of the first entry whose hash
-- does not follow from the entry and from the hash before it.
SELECT count(*), min(ARRAY[c.account_id, c.version])
                 FILTER (WHERE c.hash IS DISTINCT FROM billing_entry_hash(c.previous, c.entry))
  FROM (SELECT e AS entry, e.account_id, e.version, e.hash,
               lag(e.hash) OVER (PARTITION BY e.account_id ORDER BY e.version) AS previous
          FROM billing_ledgerentry AS e
         WHERE e.account_id > %(after)s AND e.account_id <= %(last)s) AS c
