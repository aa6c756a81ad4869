"""Turns every exception of a view into a response: `{"error", "code"}`, with `fields` for invalid input.

A DomainError carries its own code, status and sentence. Refusals by the framework get the same shape. If the database
is busy or unavailable, the answer is a 503 with `Retry-After`, and the same request may succeed. A checkout and a
top-up that lose their connection may have committed: if they do not find out, they raise OutcomeUnknown.
Every other exception is a bug. It is reported as Django reports unhandled exceptions, so the log has the traceback,
and the client learns only that something failed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from django.utils.translation import gettext, gettext_noop
from psycopg import Error as PostgresError
from rest_framework import exceptions

from billing.api.renderers import Response
from billing.errors import DomainError

logger = structlog.get_logger(__name__)

BUSY_RETRY_SECONDS = 1
UNAVAILABLE_RETRY_SECONDS = 5

# lock_not_available, query_canceled (statement_timeout), deadlock_detected, serialization_failure.
_BUSY_STATES = frozenset({"55P03", "57014", "40P01", "40001"})

# The database answers, and accepts no work: read_only_sql_transaction (a standby, or a server after a failover),
# admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, disk_full.
_UNAVAILABLE_STATES = frozenset({"25006", "57P01", "57P02", "57P03", "53300", "53100"})

_SENTENCES = {
    "not_authenticated": "sign in, or send a bearer token",
    "permission_denied": "you may not do this",
    "not_found": "there is nothing at this address",
    "throttled": "too many requests: try again later",
}


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response:
    """Handles exceptions for all views under the API root, as DRF's EXCEPTION_HANDLER."""
    if isinstance(exc, DomainError):
        return _answer(
            exc.status, exc.code, exc.text, fields=exc.fields, retry_after=exc.retry_after, extra=exc.extra
        )
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, DjangoPermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, DjangoValidationError):
        exc = exceptions.ValidationError(detail=_django_detail(exc))
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(exc)
    if isinstance(exc, exceptions.APIException):
        return _refused(exc)
    if isinstance(exc, (SuspiciousOperation, BadRequest)):
        # For example a query string with more than a thousand parameters.
        return _answer(400, "bad_request", "the request is malformed")
    if is_database_failure(exc):
        return _database_failed(exc)
    # DRF calls this inside its `except` block, so receivers of the signal find the exception in sys.exc_info().
    request = context["request"]
    got_request_exception.send(sender=type(context.get("view")), request=getattr(request, "_request", request))
    return _answer(500, "internal_error", "something went wrong on our side; we have logged it")


def _refused(exc: exceptions.APIException) -> Response:
    code = exc.get_codes()
    code = code if isinstance(code, str) else exc.default_code
    sentence = _SENTENCES.get(code, "") if _has_default_detail(exc) else str(exc.detail)
    if isinstance(exc, exceptions.UnsupportedMediaType) and _has_default_detail(exc):
        sentence = gettext_noop("the body must be JSON: send Content-Type: application/json")
    wait = getattr(exc, "wait", None)
    response = _answer(
        exc.status_code, code, sentence or str(exc.detail), retry_after=None if wait is None else int(wait)
    )
    if getattr(exc, "auth_header", None):
        response.headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]
    return response


def _has_default_detail(exc: exceptions.APIException) -> bool:
    """Tells whether the exception carries only the framework's own sentence."""
    framework = type(exc).__module__ == exceptions.__name__
    own = str(exc.detail)
    return framework and (
        own == str(exc.default_detail)
        or isinstance(exc, exceptions.Throttled)
        or (isinstance(exc, exceptions.UnsupportedMediaType) and own.startswith("Unsupported media type"))
    )


def _invalid(exc: exceptions.ValidationError) -> Response:
    fields: dict[str, list[str]] = {}
    for path, sentence in find_problems(exc.detail):
        fields.setdefault(path, []).append(sentence)
    whole = fields.pop("", [])
    if whole:
        sentence = whole[0]
    else:
        name, sentences = next(iter(fields.items()), ("body", [gettext("is not valid")]))
        sentence = f"{name}: {gettext(sentences[0])}"
    return _answer(400, "invalid_request", sentence, fields=fields)


def find_problems(detail: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yields each sentence with the path of its input, such as `apps.0`. The path of the whole body is empty."""
    if isinstance(detail, dict):
        for name, below in detail.items():
            yield from find_problems(below, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(detail, list):
        for index, below in enumerate(detail):
            is_group = isinstance(below, (dict, list)) and below
            yield from find_problems(below, (*path, str(index)) if is_group else path)
    else:
        yield ".".join(path), str(detail)


def _django_detail(exc: DjangoValidationError) -> dict[str, Any] | list[Any]:
    if hasattr(exc, "error_dict"):
        return {"non_field_errors" if name == "__all__" else name: list(v) for name, v in exc.message_dict.items()}
    return list(exc.messages)


def is_database_failure(exc: BaseException | None) -> bool:
    """Tells whether the database failed, and not this code: the same request may succeed later.

    An internal error without PostgreSQL's code is the driver's own: a pooler that lost its server sent two answers to
    a statement.
    """
    if isinstance(exc, InternalError) and _sqlstate(exc) is None:
        return True
    return isinstance(exc, (OperationalError, InterfaceError)) or (
        isinstance(exc, Exception) and _sqlstate(exc) in _UNAVAILABLE_STATES
    )


def _sqlstate(exc: Exception) -> str | None:
    """Returns PostgreSQL's code of the error. Django's own exception classes depend only on the first two digits."""
    cause = exc if isinstance(exc, PostgresError) else exc.__cause__
    return cause.sqlstate if isinstance(cause, PostgresError) else None


def _database_failed(exc: Exception) -> Response:
    state = _sqlstate(exc)
    if state in _BUSY_STATES:
        logger.warning("database_busy", sqlstate=state)
        return _answer(503, "busy", "the service is busy: try again", retry_after=BUSY_RETRY_SECONDS)
    logger.error("database_unavailable", sqlstate=state, error=type(exc.__cause__ or exc).__name__)
    return _answer(
        503,
        "database_unavailable",
        "the service is temporarily unavailable: try again",
        retry_after=UNAVAILABLE_RETRY_SECONDS,
    )


def _answer(
    status: int,
    code: str,
    sentence: str,
    *,
    fields: dict[str, list[str]] | None = None,
    retry_after: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    body: dict[str, Any] = {"error": gettext(sentence), "code": code, **(extra or {})}
    if fields is not None:
        body["fields"] = {name: [gettext(each) for each in sentences] for name, sentences in fields.items()}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Response(body, status=status, headers=headers)
