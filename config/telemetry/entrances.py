"""The spans of what begins here: a request of the web server, and a job of the worker."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from procrastinate import JobContext

from config.metrics.process import METHODS
from config.queue_worker import ORIGIN
from config.telemetry.calls import statements_traced, trace_added_jobs, trace_outgoing_requests
from config.telemetry.spans import span

_PROPAGATOR = TraceContextTextMapPropagator()
_FIRST_ERROR_STATUS = 500


class TraceMiddleware:
    """Gives each request a span, which continues the gateway's trace if there is one (see `ProxyMiddleware`)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        trace_outgoing_requests()
        trace_added_jobs()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        method = request.method if request.method in METHODS else "_OTHER"
        parent = _PROPAGATOR.extract({"traceparent": request.META.get("HTTP_TRACEPARENT", "")})
        with span(method, SpanKind.SERVER, {"http.request.method": method}, parent) as made, statements_traced():
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else ""
            made.update_name(f"{method} /{route}")
            made.set_attribute("http.route", f"/{route}")
            made.set_attribute("http.response.status_code", response.status_code)
            made.set_attribute("qasima.request_id", response.headers.get("X-Request-Id", ""))
            if response.status_code >= _FIRST_ERROR_STATUS:
                made.set_status(StatusCode.ERROR)
            return response


def trace_job(call_next: Callable[[], Any], context: JobContext, worker: Any) -> Any:
    """Runs a job in a span, as a middleware of procrastinate."""
    with _job_span(context), statements_traced():
        return call_next()


async def trace_async_job(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Runs an asynchronous job in a span."""
    with _job_span(context):
        return await call_next()


def _job_span(context: JobContext) -> AbstractContextManager[Span]:
    job = context.job
    attributes: dict[str, str | int] = {
        "messaging.system": "procrastinate",
        "messaging.destination.name": job.queue,
        "qasima.job_id": job.id or 0,
        "qasima.job_attempts": job.attempts,
    }
    parent = _PROPAGATOR.extract({"traceparent": ORIGIN.get()})
    return span(f"job {job.task_name}", SpanKind.CONSUMER, attributes, parent)
