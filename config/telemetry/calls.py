"""The spans of what a request or job calls: SQL statements, and HTTP requests to other services.

Calls of other threads, such as the sending of spans itself, have none.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, Request

import requests
from django.conf import settings
from django.db import connections
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from billing import jobs
from config.telemetry.spans import is_traced, span
from orders import subscribers

MAX_STATEMENT_LENGTH = 500
_PROPAGATOR = TraceContextTextMapPropagator()
_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
# The words of Stripe's addresses; any other part of one is an id.
_WORD = re.compile(r"[a-z]+(_[a-z]+)*|v\d")


@contextmanager
def statements_traced() -> Iterator[None]:
    """Gives each statement of this thread a span while the block runs."""
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(_trace_statement))
        yield


def _trace_statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    if not is_traced():
        return execute(sql, params, many, context)
    text = _LITERALS.sub("?", str(sql))[:MAX_STATEMENT_LENGTH]
    verb = text.split(None, 1)[0].upper() if text.strip() else "SQL"
    attributes = {
        "db.system.name": "postgresql",
        "db.operation.name": verb,
        "db.query.text": text,
        "db.namespace": context["connection"].alias,
    }
    with span(verb, SpanKind.CLIENT, attributes):
        return execute(sql, params, many, context)


@cache
def trace_outgoing_requests() -> None:
    """Gives each HTTP request that a traced request or job sends a span. A second call changes nothing.

    Stripe and an identity provider are called with `requests`, the provider's keys with urllib, and subscribers'
    endpoints by `orders.subscribers`.
    """
    send, open_url, post = requests.Session.send, OpenerDirector.open, subscribers.send_request

    def traced_send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        return _trace(request.method or "", request.url or "", lambda: send(session, request, **options))

    def traced_open(opener: OpenerDirector, fullurl: Any, *args: Any, **options: Any) -> Any:
        request = fullurl if isinstance(fullurl, Request) else Request(fullurl)  # noqa: S310 - it is sent as it is
        return _trace(request.get_method(), request.full_url, lambda: open_url(opener, fullurl, *args, **options))

    async def traced_post(url: str, *args: Any) -> int:
        return await _trace_async("POST", url, lambda: post(url, *args))

    requests.Session.send = traced_send  # type: ignore[assignment, method-assign]
    OpenerDirector.open = traced_open  # type: ignore[assignment, method-assign]
    subscribers.send_request = traced_post  # type: ignore[assignment]


def trace_added_jobs() -> None:
    """Lets each job that a traced request or job adds continue its trace. A second call changes nothing."""
    jobs.describe_origin = _describe_origin


def _describe_origin() -> dict[str, str]:
    carrier: dict[str, str] = {}
    if is_traced():
        _PROPAGATOR.inject(carrier)
    # A vendor's `tracestate` stays with the request.
    carrier.pop("tracestate", None)
    return carrier


def _trace(method: str, url: str, call: Callable[[], Any]) -> Any:
    if not is_traced():
        return call()
    with span(method, SpanKind.CLIENT, _describe(method, url)) as made:
        answer = call()
        _set_status(made, answer.status_code if isinstance(answer, requests.Response) else answer.status)
        return answer


async def _trace_async(method: str, url: str, call: Callable[[], Awaitable[int]]) -> int:
    if not is_traced():
        return await call()
    with span(method, SpanKind.CLIENT, _describe(method, url)) as made:
        status = await call()
        _set_status(made, status)
        return status


def _describe(method: str, url: str) -> dict[str, str | int]:
    """Returns the attributes of a request. A subscriber's path may be a secret, so only Stripe's are named."""
    attributes: dict[str, str | int] = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    if url.startswith(f"{settings.STRIPE_API_BASE}/"):
        parts = urlsplit(url).path.split("/")
        attributes["url.template"] = "/".join(each if not each or _WORD.fullmatch(each) else "{id}" for each in parts)
    return attributes


def _set_status(made: Span, status: int) -> None:
    made.set_attribute("http.response.status_code", status)
    if status >= 400:  # noqa: PLR2004
        made.set_status(StatusCode.ERROR)
