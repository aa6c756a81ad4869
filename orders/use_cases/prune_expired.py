"""Removes what nobody asks for any more: expired keys, rate limits and sessions, and the worker's finished jobs.

Ledger, redemptions, orders, audit trail, outbox and inbox are kept for ever, and so are failed jobs: a person must
look at them.

Keys and jobs are walked from the oldest, by primary key. An index on a key's expiry costs every checkout, and the
planner, told yesterday that no key is good any longer, would look for a customer's key among all of today's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

# A batch is a transaction of its own of some milliseconds. A run does no more than this; the next one goes on.
BATCH = 1_000
BATCHES = 200

_WALKS = {
    "keys": """
WITH oldest AS MATERIALIZED (
  SELECT id FROM orders_idempotencykey WHERE id > %(after)s ORDER BY id LIMIT %(some)s
), gone AS (
  DELETE FROM orders_idempotencykey
   WHERE id = ANY(ARRAY(SELECT id FROM oldest)) AND expires_at <= %(now)s RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT max(id) FROM oldest)
""",
    # Their events go with them.
    "jobs": """
WITH oldest AS MATERIALIZED (
  SELECT id FROM procrastinate_jobs
   WHERE id > %(after)s AND status IN ('succeeded', 'cancelled', 'aborted') ORDER BY id LIMIT %(some)s
), gone AS (
  DELETE FROM procrastinate_jobs j
   WHERE id = ANY(ARRAY(SELECT id FROM oldest))
     AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > %(kept_since)s)
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT max(id) FROM oldest)
""",
    "sessions": """
WITH gone AS (
  DELETE FROM django_session WHERE session_key IN (
    SELECT session_key FROM django_session WHERE expire_date <= %(now)s
     ORDER BY expire_date LIMIT %(some)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
""",
    "windows": """
WITH gone AS (
  DELETE FROM billing_ratelimitwindow WHERE key IN (
    SELECT key FROM billing_ratelimitwindow WHERE ends_at <= %(now)s
     ORDER BY ends_at LIMIT %(some)s FOR UPDATE SKIP LOCKED) RETURNING 1
)
SELECT count(*), 0 FROM gone
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows of each kind were removed."""

    keys: int
    jobs: int
    sessions: int
    windows: int


def prune_expired(*, now: datetime | None = None, batch: int = BATCH, batches: int = BATCHES) -> Pruned:
    """Removes idempotency keys, sessions and rate limits past their end, and jobs finished JOBS_KEPT_DAYS ago.

    Args: batch: rows looked at in one transaction; batches: of each kind at most.
    Transaction: owns, one a batch.
    """
    moment = now or timezone.now()
    given = {"now": moment, "kept_since": moment - timedelta(days=settings.JOBS_KEPT_DAYS), "some": batch}
    return Pruned(**{name: _walk(statement, given, batches) for name, statement in _WALKS.items()})


def _walk(statement: str, given: dict[str, Any], batches: int) -> int:
    removed, after = 0, 0
    for _ in range(batches):
        with connection.cursor() as cursor:
            cursor.execute(statement, {**given, "after": after})
            gone, last = cursor.fetchone()
        removed += gone
        if not gone:
            break
        after = last
    return removed
