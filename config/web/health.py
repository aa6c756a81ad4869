"""Health endpoints: is the process up, and can it serve requests?

They are answered before Django checks the request's host. An orchestrator's probe uses the container's address,
which is not in ALLOWED_HOSTS, plain http, and no identity. The endpoints read and repeat nothing of the request, so a
forged Host header gains nothing. Probes write no log line.
"""

from functools import cache
from threading import Event

import structlog
from django.db import DatabaseError, InterfaceError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Func, TextField, Value
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe
from psycopg.errors import UndefinedTable

logger = structlog.get_logger(__name__)


class ReadOnlyDatabase(Exception):
    """The database can be read and not written."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponseBase:
    """Reports that the process is up."""
    return _answer({"status": "ok"}, status=200)


@require_safe
def readyz(request: HttpRequest) -> HttpResponseBase:
    """Reports whether the database can be written and has all migrations that this code needs. One query.

    A process that received SIGTERM answers that it drains: it still serves requests, and is not dead.
    """
    if _draining.is_set():
        return _answer(
            {"status": "draining", "error": "this process is about to stop", "code": "draining"}, status=503
        )
    try:
        ready = _has_all_migrations()
    except ReadOnlyDatabase:
        logger.warning("not_ready", reason="database_read_only")
        return _refusal("database_read_only", "the database accepts no changes")
    except (DatabaseError, InterfaceError) as error:
        logger.warning("not_ready", reason="database_unavailable", error=type(error).__name__)
        return _refusal("database_unavailable", "the database cannot be reached")
    if not ready:
        logger.warning("not_ready", reason="migrations_pending")
        return _refusal("migrations_pending", "the database lacks migrations")
    return _answer({"status": "ok"}, status=200)


# "on" or "off".
_READ_ONLY = Func(Value("transaction_read_only"), function="current_setting", output_field=TextField())

_draining = Event()


def start_draining() -> None:
    """Makes /readyz say that this process is about to stop."""
    _draining.set()


HEALTH_VIEWS = {"/healthz": healthz, "/readyz": readyz}


def _has_all_migrations() -> bool:
    """Tells whether the last migration of every app is recorded as applied. That implies the earlier ones.

    Raises: ReadOnlyDatabase for a standby, or for a server that refuses changes.
    """
    required = _last_migrations()
    names = {name for _, name in required}
    try:
        rows = list(MigrationRecorder.Migration.objects.filter(name__in=names).values_list("app", "name", _READ_ONLY))
    except DatabaseError as error:
        if isinstance(error.__cause__, UndefinedTable):
            return False
        raise
    if any(read_only == "on" for _, _, read_only in rows):
        raise ReadOnlyDatabase
    return required <= {(app, name) for app, name, _ in rows}


@cache
def _last_migrations() -> frozenset[tuple[str, str]]:
    """Returns the last migration of every app, read from the code once per process."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _answer(body: dict[str, str], *, status: int) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def _refusal(code: str, sentence: str) -> JsonResponse:
    return _answer({"status": "unavailable", "error": sentence, "code": code}, status=503)
