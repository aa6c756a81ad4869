-- The state of the work, for monitoring: one row for each value, in one statement. Every part reads an index of what is
-- unfinished, or a table with few rows. A count stops at 100,000.
WITH job AS (
  SELECT queue_name, status::text, count(*) AS number, min(id) AS oldest
    FROM procrastinate_jobs
   WHERE status IN ('todo', 'doing') AND (scheduled_at IS NULL OR scheduled_at <= now())
   GROUP BY queue_name, status
), event AS (
  SELECT count(*) AS number, min(created_at) AS oldest
    FROM (SELECT created_at FROM orders_outboxevent WHERE delivered_at IS NULL AND refused_at IS NULL
           ORDER BY position NULLS FIRST, id LIMIT 100000) AS waiting
), inbox AS (
  SELECT count(*) FILTER (WHERE attempts < 3) AS number, count(*) FILTER (WHERE attempts >= 3) AS aside,
         min(received_at) FILTER (WHERE attempts < 3) AS oldest
    FROM (SELECT attempts, received_at FROM orders_stripeevent WHERE settled_at IS NULL
           ORDER BY received_at LIMIT 100000) AS unsettled
), hold AS (
  SELECT amount_minor, created_at,
         CASE WHEN created_at > now() - interval '1 hour' THEN 'hour' WHEN created_at > now() - interval '1 day' THEN 'day'
              WHEN created_at > now() - interval '7 days' THEN 'week' ELSE 'older' END AS age
    FROM billing_hold WHERE status = 'active' ORDER BY created_at LIMIT 100000
), hold_age AS (
  SELECT age, count(amount_minor) AS number, coalesce(sum(amount_minor), 0) AS amount
    FROM unnest(ARRAY['hour', 'day', 'week', 'older']) AS age LEFT JOIN hold USING (age) GROUP BY age
), campaign AS (
  SELECT c.name, c.budget_minor, c.budget_minor - coalesce(sum(n.used), 0) AS remaining
    FROM promos_campaign c LEFT JOIN promos_budgetcounter n ON n.campaign_id = c.id
   WHERE c.status = 'active' AND c.budget_minor > 0
   GROUP BY c.id ORDER BY c.budget_minor DESC LIMIT 200
)
SELECT name, labels, value::float8
  FROM (
    SELECT 'qasima_jobs' AS name, jsonb_build_object('queue', queue_name, 'status', status) AS labels,
           number::numeric AS value FROM job
    UNION ALL
    SELECT 'qasima_jobs_oldest_seconds', jsonb_build_object('queue', queue_name, 'status', status),
           extract(epoch FROM now() - (SELECT max(at) FROM procrastinate_events WHERE job_id = oldest))
      FROM job
    UNION ALL SELECT 'qasima_jobs_failed', '{}', count(*) FROM procrastinate_jobs WHERE status = 'failed'
    UNION ALL
    SELECT 'qasima_workers', '{}', count(*) FROM procrastinate_workers
     WHERE last_heartbeat > now() - interval '30 seconds'
    UNION ALL SELECT 'qasima_events_undelivered', '{}', number FROM event
    UNION ALL
    SELECT 'qasima_events_oldest_undelivered_seconds', '{}', coalesce(extract(epoch FROM now() - oldest), 0) FROM event
    UNION ALL
    SELECT 'qasima_events_refused', '{}', count(*)
      FROM (SELECT FROM orders_outboxevent WHERE refused_at IS NOT NULL AND closed_at IS NULL LIMIT 100000) AS refused
    UNION ALL
    SELECT 'qasima_received_events_set_aside', '{}', count(*)
      FROM (SELECT FROM orders_deadletter WHERE applied_at IS NULL AND closed_at IS NULL LIMIT 100000) AS letter
    UNION ALL
    SELECT 'qasima_webhooks', jsonb_build_object('status', status), count(*) FROM orders_webhookendpoint
     WHERE status <> 'retired' GROUP BY status
    UNION ALL
    SELECT 'qasima_webhook_deliveries_failed', '{}', count(*)
      FROM (SELECT FROM orders_webhookdelivery WHERE status = 'failed' AND closed_at IS NULL LIMIT 100000) AS dead
    UNION ALL SELECT 'qasima_stripe_events_unsettled', '{}', number FROM inbox
    UNION ALL
    SELECT 'qasima_stripe_events_oldest_unsettled_seconds', '{}', coalesce(extract(epoch FROM now() - oldest), 0)
      FROM inbox
    UNION ALL SELECT 'qasima_stripe_events_set_aside', '{}', aside FROM inbox
    UNION ALL SELECT 'qasima_holds', jsonb_build_object('age', age), number FROM hold_age
    UNION ALL SELECT 'qasima_holds_minor', jsonb_build_object('age', age), amount FROM hold_age
    UNION ALL
    SELECT 'qasima_holds_oldest_seconds', '{}', coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM hold
    UNION ALL
    SELECT 'qasima_payments_waiting', jsonb_build_object('status', status), count(*) FROM orders_payment
     WHERE status IN ('open', 'processing') GROUP BY status
    UNION ALL
    SELECT 'qasima_payments_unanswered', '{}', count(*) FROM orders_payment
     WHERE (status = 'requested' OR needs_stripe_cleanup) AND leased_until < now()
    UNION ALL SELECT 'qasima_campaign_budget_minor', jsonb_build_object('campaign', name), budget_minor FROM campaign
    UNION ALL
    SELECT 'qasima_campaign_budget_left_minor', jsonb_build_object('campaign', name), remaining FROM campaign
    UNION ALL
    SELECT 'qasima_breaks_open', jsonb_build_object('kind', kind), count(*) FROM orders_break
     WHERE closed_at IS NULL GROUP BY kind
    UNION ALL
    SELECT 'qasima_books_verified_timestamp_seconds', jsonb_build_object('books', books),
           extract(epoch FROM verified_at) FROM billing_verification
    UNION ALL
    SELECT 'qasima_books_wrong', jsonb_build_object('books', books), (fault <> '')::int FROM billing_verification
    UNION ALL
    SELECT 'qasima_outside_calls_held', '{}', EXISTS (SELECT FROM billing_restoration WHERE released_at IS NULL)::int
    UNION ALL
    SELECT 'qasima_database_connections', jsonb_build_object('state', coalesce(state, 'unknown')), count(*)
      FROM pg_stat_activity WHERE datname = current_database() GROUP BY state
    UNION ALL
    SELECT 'qasima_database_max_connections', '{}', current_setting('max_connections')::numeric
    UNION ALL
    SELECT 'qasima_log_archiving_fails', '{}',
           coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)::int FROM pg_stat_archiver
    UNION ALL SELECT 'qasima_database_bytes', '{}', pg_database_size(current_database())
  ) AS found
