-- The version of the catalog: each change of one of its items gives it a new random value. A checkout is written only
-- while the catalog still has the version that gave its prices. A rate of VAT belongs to it, because it is part of the
-- price where the catalog's prices are without VAT. Installed by every migrate.
--
-- The version is random, not counted, so that it never stands for two catalogs, even after a rollback or a restored
-- backup. Saving a row without a change, as a form of the console may, keeps the version.
CREATE OR REPLACE FUNCTION orders_catalog_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders_catalogversion (id, version) VALUES (1, gen_random_uuid())
      ON CONFLICT (id) DO UPDATE SET version = excluded.version;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER orders_plan_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON orders_plan
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_plan_altered_changes_catalog AFTER UPDATE ON orders_plan
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_addon_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON orders_addon
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_addon_altered_changes_catalog AFTER UPDATE ON orders_addon
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_app_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON orders_app
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_app_altered_changes_catalog AFTER UPDATE ON orders_app
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_vatrate_changes_catalog AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON orders_vatrate
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_industry_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON orders_industry
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_industry_altered_changes_catalog AFTER UPDATE ON orders_industry
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_bundle_changes_catalog AFTER INSERT OR DELETE OR TRUNCATE ON orders_bundle
  FOR EACH STATEMENT EXECUTE FUNCTION orders_catalog_changed();
CREATE OR REPLACE TRIGGER orders_bundle_altered_changes_catalog AFTER UPDATE ON orders_bundle
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION orders_catalog_changed();

-- The key of the advisory lock that each order shares until it is committed, and that a removal of an item waits for.
CREATE OR REPLACE FUNCTION orders_catalog_lock_key() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended('orders.catalog', 0) $$;

INSERT INTO orders_catalogversion (id, version) VALUES (1, gen_random_uuid()) ON CONFLICT (id) DO NOTHING;
