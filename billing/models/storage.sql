-- How PostgreSQL stores the tables that every redemption writes.
--
-- - Each ledger entry updates its account. Pages keep room, so that the new row version stands beside the old one and
--   no index is written (HOT).
-- - A table is first analyzed when it has a thousand rows. With statistics of twenty rows, sessions plan to read the
--   whole table, and keep that plan while a rush fills it; without statistics, PostgreSQL plans for an index.
ALTER TABLE billing_account SET
  (fillfactor = 80, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_customer SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_hold SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_invoice SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_ledgerentry SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_organization SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_subscription SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);

-- Rate limits need no write-ahead log: they may start from zero after a crash.
ALTER TABLE billing_ratelimitwindow SET UNLOGGED;
