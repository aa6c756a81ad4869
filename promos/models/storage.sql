-- How PostgreSQL stores the tables that every redemption writes; the reasons stand in billing/models/storage.sql.

-- The redemptions of an uncapped code are counted in their index. The count spares the rows only where a vacuum has
-- seen them, so a vacuum comes after ten thousand new rows, however many there are.
ALTER TABLE promos_redemption SET
  (autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000,
   autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0);

-- A counter is updated in place (HOT) as long as its page has room for the new version.
ALTER TABLE promos_promocounter SET (fillfactor = 10);
ALTER TABLE promos_budgetcounter SET (fillfactor = 10);
