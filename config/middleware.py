"""What happens around every request: probes, the client's address, one log line, and JSON under the API
root."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.functional import SimpleLazyObject
from django_structlog.middlewares.request import RequestMiddleware

from config.health import HEALTH_VIEWS

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_SENTENCES = {
    400: ("bad_request", "the request is malformed"),
    403: ("permission_denied", "you may not do this"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not answer that method"),
    413: ("payload_too_large", "the request is too large"),
}
_INTERNAL = ("internal_error", "something failed on our side; it has been noted")


class HealthMiddleware:
    """Answers /healthz and /readyz before anything else looks at the request (see `config.health`)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = HEALTH_VIEWS.get(request.path_info)
        return view(request) if view else self.get_response(request)


class ProxyMiddleware:
    """Establishes who the client is, and whether it came by https.

    `X-Forwarded-For` and `X-Forwarded-Proto` are believed only from a peer in TRUSTED_PROXIES. Each trusted
    proxy appends the address it was called from, so the list is read from its end, and the first address
    that is not a trusted proxy's is the client's; what stands before it may be anybody's invention. The
    result replaces REMOTE_ADDR, and the headers are removed, so that nothing further on can be fooled by
    them.
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
                # The last word is the nearest proxy's own.
                https = forwarded_proto.split(",")[-1].strip().lower() == "https"
                meta["wsgi.url_scheme"] = "https" if https else "http"
            peer = _client(forwarded_for, nearest=peer)
        meta["REMOTE_ADDR"] = str(peer) if peer else ""
        return self.get_response(request)


class RequestLogMiddleware(RequestMiddleware):
    """One log line at a request's end, with the address as established and without the query string."""

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        structlog.contextvars.bind_contextvars(ip=request.META.get("REMOTE_ADDR") or None)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        # A query may hold what is nobody's business; quoted, a path cannot forge a second line.
        return f"{request.method} {quote(request.path)}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        # Only what is known already: asking for a session's user here could query, and fail, outside of every
        # error handler.
        user = getattr(request, "user", None)
        if isinstance(user, SimpleLazyObject):
            user = getattr(request, "_cached_user", None)
        user_id = getattr(user, "user_id", None) or getattr(user, "sub", None)
        structlog.contextvars.bind_contextvars(user_id=user_id)


class ApiMiddleware:
    """Under the API root: a trailing slash does not matter, every error is JSON, no answer is kept by a
    cache.

    Errors of the endpoints are JSON already (`billing.api.exceptions`). This turns what Django itself
    answers, an unknown path, a forbidden host, a failing middleware, also its pages for DEBUG. Everywhere, a
    NUL character in the path or the query is refused: PostgreSQL cannot take it.
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


def is_api_path(path: str) -> bool:
    """Whether the path lies under the API root; an empty root leaves the service's own pages out."""
    if settings.API_PREFIX:
        return f"{path}/".startswith(f"/{settings.API_PREFIX}")
    return path != "/" and not f"{path}/".startswith(("/admin/", settings.STATIC_URL))


def error_response(status: int) -> JsonResponse:
    """An error in the API's shape, without any detail."""
    code, sentence = _SENTENCES.get(status, _INTERNAL if status >= 500 else _SENTENCES[400])  # noqa: PLR2004
    response = JsonResponse({"error": sentence, "code": code}, status=status)
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _is_json(response: HttpResponseBase) -> bool:
    return response.headers.get("Content-Type", "").split(";")[0].endswith("json")


def _client(forwarded_for: str, *, nearest: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The last address of the list that is no trusted proxy's; unreadable, the hop that reported it."""
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
    """The address as proxies write it: bare, with a port, or in brackets; IPv4 in IPv6's clothes as IPv4."""
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
