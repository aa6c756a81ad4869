-- What each entry took from lots or gave back, in the order of the entries, and as their hashes cover it.
SELECT format('%s %s %s %s', e.account_id, e.version, m.lot_id, m.amount_minor)
  FROM billing_lotmove AS m JOIN billing_ledgerentry AS e ON e.id = m.entry_id
 WHERE e.lots_hash IS NOT NULL
 ORDER BY e.account_id, e.version, m.lot_id
