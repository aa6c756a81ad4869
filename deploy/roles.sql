-- A database user for web and worker that reads and writes rows, and can change neither tables, functions nor history.
-- Run it as the owner of the tables, after every `migrate` that adds a table of another owner's:
--   psql "$OWNERS_URL" -v app=qasima_app -f deploy/roles.sql
-- The user must exist: CREATE ROLE qasima_app LOGIN PASSWORD '…'. `migrate` keeps its own user, the owner.

GRANT USAGE ON SCHEMA public TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"app";
-- Only the owner's own: an extension in this schema, such as pg_stat_statements, has functions of another owner.
SELECT set_config('qasima.app', :'app', false);
DO $$
DECLARE
  each record;
BEGIN
  FOR each IN SELECT oid::regprocedure AS function FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) = current_user
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', each.function, current_setting('qasima.app'));
  END LOOP;
END $$;

-- The same for what later releases add.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO :"app";

-- Rows that are only ever added. Triggers refuse a change of them too, but their owner can turn triggers off.
REVOKE UPDATE, DELETE ON billing_auditentry, billing_auditlink, billing_ledgercheck, billing_ledgerentry,
  billing_ledgerhead, billing_lotmove, billing_sealedaccount, orders_cardentry, orders_cardlink, orders_closedmonth,
  orders_document, orders_vatrate, promos_card FROM :"app";

-- Rows that stay.
REVOKE DELETE ON billing_account, billing_auditchain, billing_bulkgrant, billing_bulkgrantrow, billing_hold, billing_lot,
  billing_proposal, orders_cardchain, orders_documentseries, orders_webhookendpoint, promos_batch, promos_campaign,
  promos_cardrange, promos_dealer, promos_printerfile, promos_promocode, promos_redemption FROM :"app";

-- Rows that only `migrate` writes.
REVOKE INSERT, UPDATE, DELETE ON django_migrations, billing_installedsql FROM :"app";
