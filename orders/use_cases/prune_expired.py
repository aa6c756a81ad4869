"""Deletes expired rows: keys, form ids, rate limits and sessions, and old refused attempts and finished jobs.

Ledger, redemptions, orders, audit trail, outbox and inbox are kept for ever. So are failed jobs, failed deliveries of
webhooks, and received events that are still set aside, for staff to read.

Keys and jobs are read by primary key, the oldest first. An index on a key's expiry would slow down every checkout. It
would also mislead the planner: by yesterday's statistics all keys have expired, so the planner would look for a
customer's key in that index, and read all keys of today.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

# A batch is a transaction of some milliseconds. A run stops after this many batches of each kind; the next continues.
BATCH_SIZE = 1_000
MAX_BATCHES = 200

# Each statement deletes one batch, and returns the number of deleted rows and the last key that it read.
_BY_KEY = """
WITH oldest AS MATERIALIZED (
  SELECT id FROM {table} WHERE id > %(after)s ORDER BY id LIMIT %(batch_size)s
), gone AS (
  DELETE FROM {table} WHERE id = ANY(ARRAY(SELECT id FROM oldest)) AND expires_at <= %(now)s RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT max(id) FROM oldest)
"""
_BY_EXPIRY = """
WITH gone AS (
  DELETE FROM {table} WHERE {key} IN (
    SELECT {key} FROM {table} WHERE {expiry} <= %(now)s
     ORDER BY {expiry} LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
"""
# Deleting a job deletes its events.
_FINISHED_JOBS = """
WITH oldest AS MATERIALIZED (
  SELECT id FROM procrastinate_jobs
   WHERE id > %(after)s AND status IN ('succeeded', 'cancelled', 'aborted') ORDER BY id LIMIT %(batch_size)s
), gone AS (
  DELETE FROM procrastinate_jobs j
   WHERE id = ANY(ARRAY(SELECT id FROM oldest))
     AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > %(kept_since)s)
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT max(id) FROM oldest)
"""
_OLD_ATTEMPTS = """
WITH gone AS (
  DELETE FROM promos_refusedattempt WHERE id IN (
    SELECT id FROM promos_refusedattempt WHERE created_at <= %(attempts_kept_since)s
     ORDER BY created_at, id LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
"""
_OLD_DELIVERIES = """
WITH gone AS (
  DELETE FROM orders_webhookdelivery WHERE id IN (
    SELECT id FROM orders_webhookdelivery WHERE status = 'delivered' AND delivered_at <= %(deliveries_kept_since)s
     ORDER BY delivered_at LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
"""
# What the list of a user's sessions says of a browser whose session was deleted.
_BROWSERS = """
WITH oldest AS MATERIALIZED (
  SELECT id FROM usersessions_usersession WHERE id > %(after)s ORDER BY id LIMIT %(batch_size)s
), gone AS (
  DELETE FROM usersessions_usersession u
   WHERE id = ANY(ARRAY(SELECT id FROM oldest))
     AND NOT EXISTS (SELECT FROM django_session s WHERE s.session_key = u.session_key)
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT max(id) FROM oldest)
"""
_FINISHED_DEAD_LETTERS = """
WITH gone AS (
  DELETE FROM orders_deadletter WHERE id IN (
    SELECT id FROM orders_deadletter WHERE coalesce(applied_at, closed_at) <= %(kept_since)s
     ORDER BY created_at, id LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
"""
_STATEMENTS = {
    "keys": _BY_KEY.format(table="billing_idempotencykey"),
    "forms": _BY_KEY.format(table="billing_formsubmission"),
    "jobs": _FINISHED_JOBS,
    "sessions": _BY_EXPIRY.format(table="django_session", key="session_key", expiry="expire_date"),
    "browsers": _BROWSERS,
    "sign_in_codes": _BY_EXPIRY.format(table="billing_signincode", key="id", expiry="expires_at"),
    "refresh_tokens": _BY_EXPIRY.format(table="billing_refreshtoken", key="id", expiry="expires_at"),
    "attempts": _OLD_ATTEMPTS,
    "deliveries": _OLD_DELIVERIES,
    "dead_letters": _FINISHED_DEAD_LETTERS,
    "windows": _BY_EXPIRY.format(table="billing_ratelimitwindow", key="key", expiry="ends_at"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The number of deleted rows of each kind."""

    keys: int
    forms: int
    jobs: int
    sessions: int
    windows: int
    browsers: int = 0
    sign_in_codes: int = 0
    refresh_tokens: int = 0
    attempts: int = 0
    deliveries: int = 0
    dead_letters: int = 0


def prune_expired(
    *, now: datetime | None = None, batch_size: int = BATCH_SIZE, max_batches: int = MAX_BATCHES
) -> Pruned:
    """Deletes expired keys, form ids, sessions, codes, tokens and rate limits.

    Refused attempts are deleted after ATTEMPTS_KEPT_DAYS, finished jobs and events that had been set aside
    after JOBS_KEPT_DAYS once they are applied or closed, accepted deliveries of webhooks after WEBHOOK_LOG_DAYS.

    Args: batch_size: the rows read in one transaction. max_batches: the batches of each kind.
    Transaction: owns, one for each batch.
    """
    moment = now or timezone.now()
    parameters = {
        "now": moment,
        "kept_since": moment - timedelta(days=settings.JOBS_KEPT_DAYS),
        "attempts_kept_since": moment - timedelta(days=settings.ATTEMPTS_KEPT_DAYS),
        "deliveries_kept_since": moment - timedelta(days=settings.WEBHOOK_LOG_DAYS),
        "batch_size": batch_size,
    }
    deleted: dict[str, int] = {}
    failures: list[DatabaseError] = []
    for name, statement in _STATEMENTS.items():
        try:
            deleted[name] = _delete_batches(statement, parameters, max_batches)
        except DatabaseError as error:
            # The other kinds are deleted nevertheless; then the job fails.
            failures.append(error)
    if failures:
        raise failures[0]
    return Pruned(**deleted)


def _delete_batches(statement: str, parameters: dict[str, Any], max_batches: int) -> int:
    deleted, after = 0, 0
    for _ in range(max_batches):
        with connection.cursor() as cursor:
            cursor.execute(statement, {**parameters, "after": after})
            deleted_now, last = cursor.fetchone()
        deleted += deleted_now
        if not deleted_now:
            break
        after = last
    return deleted
