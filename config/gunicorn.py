"""The web server's settings: a few processes of many threads, because a request mostly waits for PostgreSQL.

Which proxy is believed is decided by the application (`TRUSTED_PROXIES`), so gunicorn believes none.
"""

import os
import sys
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.devtools.embedded_postgres import EmbeddedPostgresError, ensure_development_server

# Requests that are under way together are written together: twice as many as keep a processor busy.
DEFAULT_THREADS = 16
MOST_WORKERS = 8

wsgi_app = "config.wsgi"
bind = f"{os.environ.get('BIND_ADDRESS') or '0.0.0.0'}:{os.environ.get('PORT') or '8000'}"  # noqa: S104
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or min(2 * (os.cpu_count() or 1), MOST_WORKERS))
threads = int(os.environ.get("WEB_THREADS") or DEFAULT_THREADS)
timeout = 60
graceful_timeout = 20
# Longer than a gateway keeps an idle connection, so that it is never the server that closes one in use.
keepalive = 75
forwarded_allow_ips = ""
# Workers tell that they are alive through a file; on a disk a slow write would look like a hanging worker.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True
accesslog = None  # the application logs each request, with its request id
errorlog = "-"
loglevel = "warning"


def on_starting(server: Any) -> None:
    """Read the settings before any worker does, so that a faulty one ends the server with one plain message.

    Outside production this also brings up the embedded PostgreSQL, where the settings use it.
    """
    try:
        ensure_development_server()
        import_module(os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings"))
    except (EmbeddedPostgresError, ImproperlyConfigured) as error:
        sys.exit(str(error))
