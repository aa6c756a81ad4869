-- Returns the first signed head whose newest audit entry is not in the chain any more.
SELECT h.number, (h.statement::json)->>'audit_entries', l.number IS NULL
  FROM billing_ledgerhead AS h
  LEFT JOIN billing_auditlink AS l ON l.number = ((h.statement::json)->>'audit_entries')::bigint
 WHERE ((h.statement::json)->>'audit_entries')::bigint > 0
   AND encode(l.hash, 'hex') IS DISTINCT FROM (h.statement::json)->>'audit_hash'
 ORDER BY h.number LIMIT 1
