-- Queues each recorded event for the endpoints that get its type, in the transaction that records it. An event whose
-- transaction ends is queued exactly once, and an endpoint gets the events from its registration on.
CREATE OR REPLACE FUNCTION orders_queue_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders_webhookdelivery (endpoint_id, event_id)
  SELECT endpoint.id, event.id
    FROM orders_webhookendpoint endpoint
    JOIN recorded_events event ON endpoint.types = '[]' OR endpoint.types ? event.type
   WHERE endpoint.status <> 'retired';
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER orders_outboxevent_queued AFTER INSERT ON orders_outboxevent
  REFERENCING NEW TABLE AS recorded_events FOR EACH STATEMENT EXECUTE FUNCTION orders_queue_webhooks();

CREATE OR REPLACE TRIGGER orders_webhookendpoint_transition_known BEFORE UPDATE ON orders_webhookendpoint FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'active > paused', 'active > retired', 'paused > active', 'paused > retired');

-- Its deliveries have no foreign key to it.
CREATE OR REPLACE TRIGGER orders_webhookendpoint_kept BEFORE DELETE OR TRUNCATE ON orders_webhookendpoint
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('an endpoint is retired, never deleted');

CREATE OR REPLACE TRIGGER orders_webhookdelivery_transition_known BEFORE UPDATE ON orders_webhookdelivery FOR EACH ROW
  WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION billing_check_transition(
    'pending > delivered', 'pending > failed', 'failed > pending');
