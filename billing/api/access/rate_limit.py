"""Rate limits, counted in PostgreSQL so that all processes share one count.

A window begins with a client's first request and ends one period later. One statement counts a request. A refused
client learns how long to wait. Requests that open a new window remove a few ended ones.
"""

from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.access.client_address import client_network

_PERIOD_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_MAX_WINDOWS_REMOVED = 20

_COUNT = """
INSERT INTO billing_ratelimitwindow AS known (key, hits, ends_at)
VALUES (%(key)s, 1, statement_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET
    hits = CASE
        WHEN known.ends_at <= statement_timestamp() THEN 1
        ELSE LEAST(known.hits + 1, %(ceiling)s)
    END,
    ends_at = CASE
        WHEN known.ends_at <= statement_timestamp() THEN excluded.ends_at
        ELSE known.ends_at
    END
RETURNING hits, EXTRACT(EPOCH FROM ends_at - statement_timestamp())
"""

_REMOVE_ENDED = """
DELETE FROM billing_ratelimitwindow WHERE key IN (
    SELECT key FROM billing_ratelimitwindow WHERE ends_at <= statement_timestamp()
    ORDER BY ends_at LIMIT %(some)s FOR UPDATE SKIP LOCKED
)
"""


class RateLimit(BaseThrottle):
    """Limits requests by client network. A subclass names its scope and the setting that holds its rate."""

    scope: str
    setting: str

    _wait: int | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        limit, seconds = _read_rate(getattr(settings, self.setting))
        key = salted_hmac(f"rate limit {self.scope}", client_network(request), algorithm="sha256").hexdigest()
        with connection.cursor() as cursor:
            # Counting stops at one over the limit: more says nothing, and could overflow.
            cursor.execute(_COUNT, {"key": key, "seconds": seconds, "ceiling": limit + 1})
            hits, remaining = cursor.fetchone()
            if hits == 1:
                cursor.execute(_REMOVE_ENDED, {"some": _MAX_WINDOWS_REMOVED})
        self._wait = max(1, ceil(remaining))
        return bool(hits <= limit)

    def wait(self) -> int | None:
        return self._wait


class PreviewRateLimit(RateLimit):
    """The limit of the public voucher preview, so that codes cannot be found by guessing."""

    scope = "preview"
    setting = "PREVIEW_RATE_LIMIT"


def _read_rate(text: str) -> tuple[int, int]:
    """Parses a rate: `60/min` is 60 requests in 60 seconds. The settings have validated the text."""
    limit, _, period = text.partition("/")
    return int(limit), _PERIOD_SECONDS[period]
