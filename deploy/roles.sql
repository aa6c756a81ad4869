-- A database user for web and worker that reads and writes rows, and can change neither tables, functions nor history.
-- Run it as the owner of the tables, after every `migrate` that adds a table of another owner's:
--   psql "$OWNERS_URL" -v app=qasima_app -f deploy/roles.sql
-- The user must exist: CREATE ROLE qasima_app LOGIN PASSWORD '…'. `migrate` keeps its own user, the owner.

GRANT USAGE ON SCHEMA public TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"app";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO :"app";

-- The same for what later releases add.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO :"app";

-- Rows that are only ever added. Triggers refuse a change of them too, but their owner can turn triggers off.
REVOKE UPDATE, DELETE ON billing_ledgerentry, billing_auditentry, billing_auditlink, orders_cardentry, orders_cardlink FROM :"app";
REVOKE DELETE ON billing_hold FROM :"app";

-- Rows that only `migrate` writes.
REVOKE INSERT, UPDATE, DELETE ON django_migrations, billing_installedsql FROM :"app";
