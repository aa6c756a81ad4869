-- Returns how many entries the chain has, and its first fault: a place that is missing, a hash that does not follow, or
-- an end that is not the newest place.
WITH link AS (
  SELECT l.number, l.hash, l.entry_id, e AS entry, e.id AS found,
         lag(l.number, 1, 0::bigint) OVER (ORDER BY l.number) AS before,
         lag(l.hash) OVER (ORDER BY l.number) AS previous
    FROM billing_auditlink AS l LEFT JOIN billing_auditentry AS e ON e.id = l.entry_id
), verdict AS (
  SELECT count(*) AS entries, max(number) AS newest,
         min(before + 1) FILTER (WHERE number <> before + 1) AS missing,
         min(number) FILTER (WHERE found IS NULL) AS lost,
         min(number) FILTER (WHERE found IS NOT NULL
                             AND hash IS DISTINCT FROM billing_audit_hash(previous, number, entry)) AS wrong
    FROM link
)
SELECT v.entries, v.missing, v.lost, v.wrong, coalesce(c.entries, 0), c.hash IS NOT DISTINCT FROM l.hash
  FROM verdict AS v
  LEFT JOIN billing_auditchain AS c ON true
  LEFT JOIN billing_auditlink AS l ON l.number = v.newest
