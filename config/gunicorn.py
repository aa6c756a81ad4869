"""The web server's settings: a few processes with many threads each, because a request mostly waits for PostgreSQL.

The application decides which proxies it trusts (`TRUSTED_PROXIES`), so gunicorn trusts none.
"""

import os
import shutil
import sys
import tempfile
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.development import start_embedded_postgres
from config.parts.database import default_web_processes, describe_connection_shortage

# Twice the number that keeps a processor busy: redemptions that are in flight together share one statement.
DEFAULT_THREADS = 16

wsgi_app = "config.wsgi"
bind = f"{os.environ.get('BIND_ADDRESS') or '0.0.0.0'}:{os.environ.get('PORT') or '8000'}"  # noqa: S104
worker_class = "config.web.web_worker.WebWorker"
workers = int(os.environ.get("WEB_CONCURRENCY") or default_web_processes())
threads = int(os.environ.get("WEB_THREADS") or DEFAULT_THREADS)
timeout = 60
# After SIGTERM a worker serves on for this long, while /readyz tells the load balancer to send requests elsewhere.
drain_seconds = int(os.environ.get("DRAIN_SECONDS") or 0)
graceful_timeout = 20 + drain_seconds
# Longer than a gateway keeps an idle connection, so that the server never closes one that is about to be used.
keepalive = 75
forwarded_allow_ips = ""
# The kernel's sending of a file would wait for a client that never reads, without any limit.
sendfile = False
# Each worker reports through this file that it is alive. A slow write to a disk would look like a worker that hangs.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True
accesslog = None  # the application logs each request, with its request id
errorlog = "-"
loglevel = "warning"

# The worker processes count in files of this directory, so that each of them answers /metrics for all.
# prometheus_client reads the variable when a worker process imports it.
_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def child_exit(server: Any, worker: Any) -> None:
    """Removes the gauges of a worker process that ended. Its counters stay, because they only grow."""
    if _METRICS in os.environ:
        import_module("prometheus_client.multiprocess").mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Removes the files of the metrics."""
    if _METRICS in os.environ:
        shutil.rmtree(os.environ[_METRICS], ignore_errors=True)


def on_starting(server: Any) -> None:
    """Read the settings before any worker does, so that a wrong value ends the server with one plain message.

    Outside production this also starts the embedded PostgreSQL where DATABASE_URL is absent.
    """
    try:
        start_embedded_postgres()
        settings = import_module(os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings"))
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    if settings.METRICS_TOKEN and _METRICS not in os.environ:
        os.environ[_METRICS] = tempfile.mkdtemp(prefix="qasima-metrics-", dir=worker_tmp_dir)
    if settings.PRODUCTION and not settings.TRUSTED_PROXIES:
        warn("TRUSTED_PROXIES is empty: behind a gateway, all clients share one address and its rate limits")
    # A pooler opens the server's connections itself, and has a limit of its own.
    if not os.environ.get("DATABASE_POOLER"):
        shortage = describe_connection_shortage(settings.DATABASES["default"], web_processes=workers)
        if shortage:
            warn(shortage)


def warn(text: str) -> None:
    print(f"Warning: {text}.", file=sys.stderr, flush=True)
