-- Returns how many entries the chain has, and its first fault: a place that is missing, a hash that does not follow, or
-- an end that is not the newest place. What an erasure left of an entry has the hash that the erasure's own entry names.
-- Only the first such entry of a customer who is erased counts, and only for entries before it.
WITH erasure AS (
  SELECT DISTINCT ON (c.id) l.number, a.changes
    FROM billing_auditentry AS a
    JOIN billing_auditlink AS l ON l.entry_id = a.id
    JOIN billing_customer AS c ON c.id::text = a.object_id AND c.erased_at IS NOT NULL
   WHERE a.action = 'customer.erased' AND a.object_type = 'customer'
   ORDER BY c.id, l.number
), erased AS (
  SELECT (place ->> 0)::bigint AS number, decode(place ->> 1, 'hex') AS hash
    FROM erasure CROSS JOIN jsonb_array_elements(changes -> 'audit_entries' -> 1) AS place
   WHERE (place ->> 0)::bigint < erasure.number
), link AS (
  SELECT l.number, l.hash, l.entry_id, e AS entry, e.id AS found,
         lag(l.number, 1, 0::bigint) OVER (ORDER BY l.number) AS before,
         lag(l.hash) OVER (ORDER BY l.number) AS previous
    FROM billing_auditlink AS l LEFT JOIN billing_auditentry AS e ON e.id = l.entry_id
), verdict AS (
  SELECT count(*) AS entries, max(number) AS newest,
         min(before + 1) FILTER (WHERE number <> before + 1) AS missing,
         min(number) FILTER (WHERE found IS NULL) AS lost,
         min(number) FILTER (WHERE found IS NOT NULL
                             AND hash IS DISTINCT FROM billing_audit_hash(previous, number, entry)
                             AND NOT EXISTS (SELECT FROM erased AS e
                                              WHERE e.number = link.number
                                                AND e.hash = billing_audit_hash(previous, link.number, entry))) AS wrong
    FROM link
)
SELECT v.entries, v.missing, v.lost, v.wrong, coalesce(c.entries, 0), c.hash IS NOT DISTINCT FROM l.hash
  FROM verdict AS v
  LEFT JOIN billing_auditchain AS c ON true
  LEFT JOIN billing_auditlink AS l ON l.number = v.newest
