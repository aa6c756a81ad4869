-- How PostgreSQL stores the tables that every redemption writes.
--
-- - Each ledger entry updates its account. Pages keep free space (fillfactor), so that PostgreSQL puts the new row version
--   on the same page and writes no index (a HOT update).
-- - Autovacuum first analyzes a table when it has a thousand rows. If it analyzed a table of twenty rows, sessions would
--   plan to read the whole table, and keep that plan while the table grows. Without statistics, they plan for an index.
ALTER TABLE billing_account SET
  (fillfactor = 80, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_customer SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_hold SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_invoice SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_ledgerentry SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_lot SET (fillfactor = 80, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_lotmove SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_organization SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE billing_subscription SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);

-- Rate limits need no write-ahead log: they may start from zero after a crash.
ALTER TABLE billing_ratelimitwindow SET UNLOGGED;
