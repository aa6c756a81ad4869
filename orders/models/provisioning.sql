-- The steps of a deployment keep their order, and a completed one stays completed, however late a report arrives.
-- The trigger's argument is the state that needs every step completed.
CREATE OR REPLACE FUNCTION orders_keep_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND EXISTS (
       SELECT FROM jsonb_array_elements(OLD.steps) WITH ORDINALITY AS o(step, position)
        WHERE NEW.steps->(o.position::int - 1)->>'name' IS DISTINCT FROM o.step->>'name'
           OR (o.step->>'status' = 'completed' AND NEW.steps->(o.position::int - 1)->>'status' IS DISTINCT FROM 'completed')) THEN
    RAISE check_violation USING CONSTRAINT = 'orders_deployment_keeps_steps', TABLE = TG_TABLE_NAME,
      MESSAGE = 'a step was removed, moved or reopened';
  END IF;
  IF NEW.status = TG_ARGV[0] AND NEW.steps @? '$[*] ? (@.status <> "completed")' THEN
    RAISE check_violation USING CONSTRAINT = 'orders_deployment_succeeds_with_all_steps', TABLE = TG_TABLE_NAME,
      MESSAGE = format('a step is not completed, and the state is %s', NEW.status);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_provision_steps_kept BEFORE INSERT OR UPDATE ON orders_provision FOR EACH ROW
  EXECUTE FUNCTION orders_keep_steps('completed');

CREATE OR REPLACE TRIGGER orders_provision_transition_known BEFORE UPDATE ON orders_provision FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > provisioning', 'pending > completed', 'pending > failed',
    'provisioning > completed', 'provisioning > failed',
    'failed > provisioning');

CREATE OR REPLACE TRIGGER orders_appjob_steps_kept BEFORE INSERT OR UPDATE ON orders_appjob FOR EACH ROW
  EXECUTE FUNCTION orders_keep_steps('succeeded');

CREATE OR REPLACE TRIGGER orders_appjob_transition_known BEFORE UPDATE ON orders_appjob FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > running', 'pending > succeeded', 'pending > failed',
    'running > succeeded', 'running > failed',
    'failed > running');
