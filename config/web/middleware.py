"""Middleware: health probes, the client's address, one log line a request, and JSON errors under the API root."""

import logging
import re
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from billing.api.exceptions import is_database_failure
from billing.database.custom_plans import planning_for_values
from billing.models import User
from billing.use_cases.mail.staff_language import remember_staff_language
from config.metrics.endpoint import metrics
from config.metrics.process import count_request
from config.parts.logs import log_event
from config.web.health import HEALTH_VIEWS

logger = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_SENTENCES = {
    400: ("bad_request", "the request is malformed"),
    403: ("permission_denied", "you may not do this"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not accept this method"),
    408: ("request_timeout", "the request did not arrive in time"),
    413: ("payload_too_large", "the request is too large"),
    414: ("uri_too_long", "the address is too long"),
    431: ("headers_too_large", "the headers are too large"),
    503: ("database_unavailable", "the service is temporarily unavailable: try again"),
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_REQUEST_LOGGER = logging.getLogger("config.requests")
_INTERNAL = ("internal_error", "something went wrong on our side; we have logged it")


class HealthMiddleware:
    """Answers /healthz, /readyz and /metrics without a log line, before the host is checked (`config.web.health`)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.views = {**HEALTH_VIEWS, **({"/metrics": metrics} if settings.METRICS_TOKEN else {})}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = self.views.get(request.path_info)
        return view(request) if view else self.get_response(request)


class ProxyMiddleware:
    """Determines the client's address, and whether the client used https.

    `X-Forwarded-For` and `X-Forwarded-Proto` are trusted only from a peer in TRUSTED_PROXIES. Each trusted proxy
    appends the address of its own peer, so the list is read from the end. The first address that does not belong to a
    trusted proxy is the client's; a client can forge everything before it. The result replaces REMOTE_ADDR, and the
    headers are removed, so that later code cannot trust them by mistake.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        forwarded_for = meta.pop("HTTP_X_FORWARDED_FOR", "")
        forwarded_proto = meta.pop("HTTP_X_FORWARDED_PROTO", "")
        peer = _address(meta.get("REMOTE_ADDR", ""))
        if peer is not None and _is_trusted(peer):
            if forwarded_proto:
                # The last value comes from the nearest proxy.
                https = forwarded_proto.split(",")[-1].strip().lower() == "https"
                meta["wsgi.url_scheme"] = "https" if https else "http"
            peer = _client(forwarded_for, nearest=peer)
        else:
            # Else every client could have its requests traced.
            meta.pop("HTTP_TRACEPARENT", None)
        meta["REMOTE_ADDR"] = str(peer) if peer else ""
        return self.get_response(request)


class SecurityHeadersMiddleware(SecurityMiddleware):
    """Adds Django's security headers to all answers, also to those of other middleware.

    Django's own middleware runs after the probes and the checks of the request, because it also redirects to https.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Redirects nothing: a probe uses plain http."""


# Anyone who reads a code can spend it, and a member may be named by an e-mail address.
_SECRETS_IN_PATHS = {"code", "member"}


class RequestLogMiddleware:
    """Logs one line at the end of a request, with the client's address and without the query string.

    The line also names what the request made, such as its order (`orders.use_cases.count_outcomes`).
    The line and the answer carry the request's id. A client or gateway may choose it, unless it could be mistaken for
    something else in a log. A failure is logged when it happens, with its traceback, instead of the line.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        got_request_exception.connect(self._log_failure)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
        ip = request.META.get("REMOTE_ADDR") or None
        began = time.monotonic()
        with bound_contextvars(request_id=request_id, ip=ip):
            response = self.get_response(request)
            context = get_contextvars()
        # The thread's next request names neither this one's order nor its code.
        clear_contextvars()
        response.headers["X-Request-Id"] = request_id
        count_request(request, response.status_code, time.monotonic() - began)
        if not hasattr(request, "_logged_failure"):
            log_event(
                _REQUEST_LOGGER,
                logging.ERROR if response.status_code >= 500 else logging.INFO,  # noqa: PLR2004
                {
                    "event": "request_finished",
                    "request": _describe(request),
                    "code": response.status_code,
                    **context,
                    "user_id": _user_id(request),
                },
            )
        return response

    def _log_failure(self, *, request: HttpRequest | None = None, **_: Any) -> None:
        is_refusal = isinstance(sys.exception(), (Http404, PermissionDenied))
        if request is None or is_refusal or hasattr(request, "_logged_failure"):
            return
        request._logged_failure = True  # type: ignore[attr-defined]
        # What config.web.pages.server_error will answer.
        code = 503 if is_database_failure(sys.exception()) else 500
        logger.exception("request_failed", code=code, request=_describe(request), user_id=_user_id(request))


def _describe(request: HttpRequest) -> str:
    # A query may hold secrets, so it is left out. Quoting keeps a path from forging a second log line.
    start, name, rest = request.path, "", ""
    given = request.resolver_match.kwargs if request.resolver_match else {}
    for secret in _SECRETS_IN_PATHS & given.keys():
        start, _, rest = request.path.rpartition(given[secret])
        name = f"<{secret}>"
    return f"{request.method} {quote(start)}{name}{quote(rest)}"


def _user_id(request: HttpRequest) -> str | None:
    # Use only a user that is already loaded: loading a session's user here could run a query that fails outside all
    # error handlers.
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return getattr(user, "user_id", None) or getattr(user, "sub", None)


class ApiMiddleware:
    """Makes every error under the API root JSON, ignores a trailing slash, and forbids caching.

    Errors of the endpoints are already JSON (`billing.api.exceptions`). This converts the errors that Django itself
    answers: an unknown path, a forbidden host, a failing middleware, and the DEBUG pages. On all pages it refuses a
    NUL character in the path or the query, which PostgreSQL cannot store.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        in_api = is_api_path(request.path_info)
        if "\0" in request.path_info:
            return error_response(404) if in_api else error_response(400)
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.META.get("QUERY_STRING", ""):
            return error_response(400)
        if not in_api:
            return self.get_response(request)
        if request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
            request.path = request.path[:-1]
        response = self.get_response(request)
        if response.status_code >= 400 and not _is_json(response):  # noqa: PLR2004
            error = error_response(response.status_code)
            for header, value in response.headers.items():
                error.headers.setdefault(header, value)
            response = error
        response.headers.setdefault("Cache-Control", "no-store")
        return response


# Pages load everything from this service. A form may end at another site: a payment page, an identity provider.
_PAGE_SOURCES = {
    "default-src": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
    "form-action": f"'self' https: {settings.STRIPE_API_BASE}",
    "img-src": "'self' data:",
}
# Alpine, which the console's theme uses, evaluates expressions; the theme and the API's page set styles of elements.
_CONSOLE_SOURCES = {**_PAGE_SOURCES, "script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
_API_PAGE_SOURCES = {**_PAGE_SOURCES, "style-src": "'self' 'unsafe-inline'"}


# No page uses a device of the visitor, and nothing that is injected may.
_NO_DEVICES = ", ".join(
    f"{each}=()"
    for each in (
        *("accelerometer", "autoplay", "bluetooth", "browsing-topics", "camera", "display-capture", "geolocation"),
        *(
            "gyroscope",
            "hid",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "serial",
            "usb",
            "xr-spatial-tracking",
        ),
    )
)


class ConsoleMiddleware:
    """Lets PostgreSQL plan each statement of the console for its values (see `billing.database.custom_plans`).

    The language in which a member of staff reads the console becomes that of their mails.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        with planning_for_values():
            response = self.get_response(request)
        user = getattr(request, "_cached_user", None)
        if isinstance(user, User) and user.is_staff:
            remember_staff_language(user)
        return response


class PagePolicyMiddleware:
    """Tells the browser which sources a page may load, so that injected markup runs no script, and uses no device."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.of_pages, self.of_console, self.of_api_pages = (
            "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
            for policy in (_PAGE_SOURCES, _CONSOLE_SOURCES, _API_PAGE_SOURCES)
        )

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not _is_json(response):
            path = request.path_info
            console = self.of_console if path.startswith("/admin/") else self.of_pages
            policy = self.of_api_pages if is_api_path(path) else console
            response.headers.setdefault("Content-Security-Policy", policy)
            response.headers.setdefault("Permissions-Policy", _NO_DEVICES)
        return response


def is_api_path(path: str) -> bool:
    """Tells whether the path is under the API root. An empty root leaves out the service's pages."""
    if settings.API_PREFIX:
        return f"{path}/".startswith(f"/{settings.API_PREFIX}")
    first_part = path[1:].partition("/")[0]
    return path != "/" and first_part not in settings.PAGE_PATHS


def error_response(status: int) -> JsonResponse:
    """Makes an error response in the API's shape, without any detail."""
    code, sentence = _SENTENCES.get(status, _INTERNAL if status >= 500 else _SENTENCES[400])  # noqa: PLR2004
    response = JsonResponse({"error": gettext(sentence), "code": code}, status=status)
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def answer_unread(status: int) -> JsonResponse:
    """Makes the error response to a request that no middleware sees, with the headers that they add."""
    response = error_response(status)
    SecurityHeadersMiddleware(XFrameOptionsMiddleware(lambda _: response))(_UnreadRequest())
    return response


class _UnreadRequest(HttpRequest):
    """A request whose scheme is unknown. Over plain http a browser ignores a header that demands https."""

    def _get_scheme(self) -> str:
        return "https"


def _is_json(response: HttpResponseBase) -> bool:
    return response.headers.get("Content-Type", "").split(";")[0].endswith("json")


def _client(forwarded_for: str, *, nearest: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Returns the last address that is not a trusted proxy's. A malformed entry ends the search at its reporter."""
    client = nearest
    for hop in reversed(forwarded_for.split(",")):
        address = _address(hop)
        if address is None:
            break
        client = address
        if not _is_trusted(address):
            break
    return client


def _is_trusted(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Parses an address as proxies write it: bare, with a port, or in brackets. Unwraps IPv4-mapped IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
