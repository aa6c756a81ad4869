"""The metrics that each process counts itself: its requests, and the use of its connection pool.

The processes of one web server share files in PROMETHEUS_MULTIPROC_DIR, so that any of them answers for all.
config/gunicorn.py sets it. prometheus_client reads the variable when it is imported.
"""

import time

from django.db import connection
from django.http import HttpRequest
from prometheus_client import Gauge, Histogram

_REQUESTS = Histogram(
    "qasima_http_request_seconds",
    "How long requests took, by method, route and status",
    ["method", "route", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_POOL_SIZE = Gauge("qasima_pool_size", "Open connections of the processes' pools", multiprocess_mode="livesum")
_POOL_FREE = Gauge("qasima_pool_free", "Connections of the pools that no thread uses", multiprocess_mode="livesum")
_POOL_WAITING = Gauge("qasima_pool_waiting", "Threads that wait for a connection", multiprocess_mode="livesum")
_POOL_TIMEOUTS = Gauge(
    "qasima_pool_timeouts", "Waits for a connection that ended in vain, since the start", multiprocess_mode="livesum"
)
_POOL_SECONDS = 5
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_read_pool_at = 0.0


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Counts a request under the pattern of its address, so that an id makes no metric of its own."""
    global _read_pool_at  # noqa: PLW0603
    route = request.resolver_match.route if request.resolver_match else ""
    method = request.method if request.method in METHODS else "other"
    _REQUESTS.labels(method, route, str(status)).observe(seconds)
    now = time.monotonic()
    if now - _read_pool_at > _POOL_SECONDS:
        _read_pool_at = now
        read_pool()


def read_pool() -> None:
    """Measures this process's pool now."""
    pool = getattr(connection, "_connection_pools", {}).get(connection.alias)
    if pool is None:
        return
    stats = pool.get_stats()
    _POOL_SIZE.set(stats.get("pool_size", 0))
    _POOL_FREE.set(stats.get("pool_available", 0))
    _POOL_WAITING.set(stats.get("requests_waiting", 0))
    _POOL_TIMEOUTS.set(stats.get("requests_errors", 0))
