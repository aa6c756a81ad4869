-- The version of what the catalog offers. Installed by every migrate.
--
-- A row that is saved as it was is no change: the console does so where nothing is altered in a form.
--
-- A random one with every change, so that one never stands for two catalogs, not even where a change was rolled back
-- or a backup restored. A checkout that was priced by one version is written only while it is still that one.
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

INSERT INTO orders_catalogversion (id, version) VALUES (1, gen_random_uuid()) ON CONFLICT (id) DO NOTHING;
