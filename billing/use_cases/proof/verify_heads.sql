-- Returns the first fault of the sealed accounts: of a head whose accounts are not those that it signed, or of an
-- account that no longer has the entry that a head covers.
WITH head AS (
  SELECT h.number, (h.statement::json)->>'root' AS signed, encode(billing_head_root(h.number), 'hex') AS root
    FROM billing_ledgerhead AS h
), fault AS (
  SELECT number, NULL::bigint AS account_id, NULL::bigint AS version, 'its accounts are not those that it signed' AS wrong
    FROM head WHERE signed IS DISTINCT FROM root
  UNION ALL
  SELECT s.head_id, s.account_id, s.version,
         CASE WHEN e.id IS NULL THEN format('entry %s is missing', s.version)
              ELSE format('entry %s has another hash', s.version) END
    FROM billing_sealedaccount AS s
    LEFT JOIN billing_ledgerentry AS e ON e.account_id = s.account_id AND e.version = s.version
   WHERE e.hash IS DISTINCT FROM s.hash
)
SELECT fault.number, fault.account_id, fault.version, fault.wrong, c.user_id
  FROM fault LEFT JOIN billing_customer AS c ON c.id = fault.account_id
 ORDER BY number, account_id NULLS FIRST LIMIT 1
