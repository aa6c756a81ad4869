-- The texts that the entries' hashes cover, account by account.
SELECT billing_entry_text(lag(e.hash) OVER (PARTITION BY e.account_id ORDER BY e.version), e)
  FROM billing_ledgerentry AS e ORDER BY e.account_id, e.version
