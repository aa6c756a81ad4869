-- The changes of state that the models' TRANSITIONS list; billing/models/transitions.sql says how they are enforced.
CREATE OR REPLACE TRIGGER orders_order_transition_known BEFORE UPDATE ON orders_order FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > completed', 'pending > failed', 'pending > expired', 'pending > cancelled',
    'completed > refunded',
    'failed > completed', 'expired > completed');

CREATE OR REPLACE TRIGGER orders_payment_transition_known BEFORE UPDATE ON orders_payment FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'requested > open', 'requested > failed',
    'open > processing', 'open > paid', 'open > expired', 'open > failed',
    'processing > paid', 'processing > failed',
    'expired > paid', 'failed > paid');

CREATE OR REPLACE TRIGGER orders_refund_transition_known BEFORE UPDATE ON orders_refund FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'requested > done', 'requested > failed');

CREATE OR REPLACE TRIGGER orders_domain_transition_known BEFORE UPDATE ON orders_domain FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > verified', 'pending > failed',
    'verified > failed',
    'failed > verified');
