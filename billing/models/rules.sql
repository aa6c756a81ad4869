-- What a row of a busy table must be. Installed by every migrate.
--
-- These are check constraints in all but form: each rule has its name, and a row that breaks it is refused by that
-- name (SQLSTATE 23514). They stand in triggers because PostgreSQL reads a CHECK's expression anew from its stored text
-- for every statement that writes the table: measured, a third of what a redemption costs the server and a fifth of
-- what a checkout does. A trigger's is planned once a session. Tables that are written now and then keep their CHECKs.
--
-- A rule that comes out NULL is kept, as with a CHECK. A ledger entry's stand in its own trigger (ledger.sql).

CREATE OR REPLACE FUNCTION billing_break_rule(rule text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE check_violation USING CONSTRAINT = rule, MESSAGE = format('the row breaks the rule %s', rule);
END $$;

CREATE OR REPLACE FUNCTION billing_organization_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.status NOT IN ('pending', 'provisioning', 'active', 'suspended', 'deleted')
      THEN 'billing_organization_status_known'
    WHEN NEW.slug !~ '^[a-z][a-z0-9-]{2,30}$' THEN 'billing_organization_slug_form'
    WHEN (NEW.status = 'deleted') <> (NEW.deleted_at IS NOT NULL) THEN 'billing_organization_deleted_at_fits'
  END;
BEGIN
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_subscription_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.status NOT IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled', 'unpaid',
                            'paused') THEN 'billing_subscription_status_known'
    WHEN NEW.paid_by NOT IN ('credit', 'stripe') THEN 'billing_subscription_paid_by_known'
    WHEN NEW.amount_minor < 0 THEN 'billing_subscription_amount_not_negative'
    WHEN NEW.current_period_start >= NEW.current_period_end THEN 'billing_subscription_period_forward'
    WHEN NEW.status = 'canceled' AND NEW.canceled_at IS NULL THEN 'billing_subscription_canceled_at_given'
    -- Stripe counts the days of grace of what it charges itself.
    WHEN NEW.status = 'past_due' AND NEW.paid_by = 'credit' AND NEW.past_due_since IS NULL
      THEN 'billing_subscription_past_due_since_given'
    WHEN NEW.status = 'active' AND NEW.past_due_since IS NOT NULL THEN 'billing_subscription_active_is_not_past_due'
  END;
BEGIN
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION billing_invoice_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.status NOT IN ('draft', 'open', 'paid', 'void', 'uncollectible') THEN 'billing_invoice_status_known'
    WHEN NEW.amount_minor < 0 THEN 'billing_invoice_amount_not_negative'
    WHEN NEW.period_start >= NEW.period_end THEN 'billing_invoice_period_forward'
  END;
BEGIN
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_organization_keeps_rules BEFORE INSERT OR UPDATE ON billing_organization
  FOR EACH ROW EXECUTE FUNCTION billing_organization_rules();
CREATE OR REPLACE TRIGGER billing_subscription_keeps_rules BEFORE INSERT OR UPDATE ON billing_subscription
  FOR EACH ROW EXECUTE FUNCTION billing_subscription_rules();
CREATE OR REPLACE TRIGGER billing_invoice_keeps_rules BEFORE INSERT OR UPDATE ON billing_invoice
  FOR EACH ROW EXECUTE FUNCTION billing_invoice_rules();
