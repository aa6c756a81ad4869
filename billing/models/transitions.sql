-- The database refuses a change of state that the model's TRANSITIONS does not list. Installed by every migrate.
--
-- Each argument of billing_check_transition is one allowed change, 'from > to'. A trigger's WHEN says which updates it
-- checks; tests/orders/test_transitions.py tries every pair of states, so that this and the model cannot differ.
CREATE OR REPLACE FUNCTION billing_check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF format('%s > %s', OLD.status, NEW.status) = ANY (TG_ARGV) THEN
    RETURN NEW;
  END IF;
  RAISE check_violation USING CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
    MESSAGE = format('a row of %s cannot go from %s to %s', TG_TABLE_NAME, OLD.status, NEW.status);
END $$;

CREATE OR REPLACE TRIGGER billing_organization_transition_known BEFORE UPDATE ON billing_organization FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > provisioning', 'pending > active', 'pending > suspended', 'pending > deleted',
    'provisioning > active', 'provisioning > suspended', 'provisioning > deleted',
    'active > provisioning', 'active > suspended', 'active > deleted',
    'suspended > provisioning', 'suspended > active', 'suspended > deleted');

-- Stripe may move a subscription from any state to any other, but a canceled one stays canceled.
CREATE OR REPLACE TRIGGER billing_subscription_stays_canceled BEFORE UPDATE ON billing_subscription FOR EACH ROW
  WHEN (OLD.status = 'canceled' AND NEW.status <> 'canceled') EXECUTE FUNCTION billing_check_transition();
