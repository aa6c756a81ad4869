-- Notes the newest hash of each account that changed since the last head as covered by this one, and returns the totals
-- of all accounts at the same instant. One statement, so that the totals and the hashes are of one snapshot.
WITH sealed AS (
  INSERT INTO billing_sealedaccount (head_id, account_id, version, hash)
  SELECT %(number)s, a.customer_id, a.version, e.hash
    FROM billing_account AS a
    JOIN billing_ledgerentry AS e ON e.account_id = a.customer_id AND e.version = a.version
   WHERE NOT EXISTS (SELECT FROM billing_sealedaccount AS s WHERE s.account_id = a.customer_id AND s.version = a.version)
  RETURNING 1
)
SELECT (SELECT count(*) FROM sealed), count(*), coalesce(sum(version), 0), coalesce(sum(balance_minor), 0),
       statement_timestamp()
  FROM billing_account
