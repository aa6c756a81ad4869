-- The texts that the hashes of the audit entries cover, in the order of their chain.
SELECT billing_audit_text(lag(l.hash) OVER (ORDER BY l.number), l.number, e)
  FROM billing_auditlink AS l JOIN billing_auditentry AS e ON e.id = l.entry_id ORDER BY l.number
