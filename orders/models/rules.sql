-- What a row of a busy table must be; why in triggers, billing/models/rules.sql says.
-- Installed by every migrate.

CREATE OR REPLACE FUNCTION orders_order_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.status NOT IN ('pending', 'completed', 'failed', 'expired', 'cancelled', 'refunded')
      THEN 'orders_order_status_known'
    WHEN NEW.total_minor < 0 THEN 'orders_order_total_not_negative'
    WHEN NEW.credit_applied_minor NOT BETWEEN 0 AND NEW.total_minor THEN 'orders_order_credit_within_total'
    WHEN (NEW.status IN ('completed', 'refunded')) <> (NEW.completed_at IS NOT NULL)
      THEN 'orders_order_completed_at_fits'
    WHEN (NEW.promo_code_id IS NULL) <> (NEW.promo_code = '') THEN 'orders_order_promo_whole'
    WHEN NOT (NEW.kind = 'purchase' AND NEW.renews_id IS NULL AND NEW.period_start IS NULL
              OR NEW.kind = 'renewal' AND NEW.renews_id IS NOT NULL AND NEW.period_start IS NOT NULL)
      THEN 'orders_order_renewal_names_period'
  END;
BEGIN
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION orders_outboxevent_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := CASE
    WHEN NEW.type = 'order.placed' AND (NEW.order_id IS NULL OR NEW.tenant_id IS NULL)
      THEN 'orders_event_order_placed_names_order'
    WHEN NEW.type IN ('tenant.created', 'tenant.deleted') AND NEW.tenant_id IS NULL
      THEN 'orders_event_tenant_named'
  END;
BEGIN
  IF broken IS NOT NULL THEN PERFORM billing_break_rule(broken); END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_order_keeps_rules BEFORE INSERT OR UPDATE ON orders_order
  FOR EACH ROW EXECUTE FUNCTION orders_order_rules();
CREATE OR REPLACE TRIGGER orders_outboxevent_keeps_rules BEFORE INSERT OR UPDATE ON orders_outboxevent
  FOR EACH ROW EXECUTE FUNCTION orders_outboxevent_rules();
