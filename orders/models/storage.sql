-- How PostgreSQL stores the tables that every checkout writes; the reasons stand in billing/models/storage.sql.
-- The worker's jobs change their state twice and are deleted later.
ALTER TABLE billing_idempotencykey SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE orders_order SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE orders_orderline SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE orders_outboxevent SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE orders_payment SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE procrastinate_events SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
ALTER TABLE procrastinate_jobs SET (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000);
