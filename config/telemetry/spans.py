"""OpenTelemetry spans of this process, which a background thread sends to TRACES_URL (OTLP over HTTP).

A span holds only what the code of this package names: no query, header, body or cookie, no parameter of a statement,
no argument of a job and no message of an error. These may be codes, tokens and addresses of customers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span


@cache
def get_tracer() -> Tracer:
    """Returns the process's tracer. The first call starts the thread that sends spans, so it must follow a fork."""
    resource = Resource.create(
        {
            "service.name": "qasima",
            "service.version": settings.VERSION,
            "deployment.environment.name": settings.SOVEREIGN_DOMAIN,
        }
    )
    # A gateway decides for the requests that it traces itself.
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.TRACES_PERCENT / 100))
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.TRACES_URL)))
    return provider.get_tracer("qasima")


@contextmanager
def span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], context: Context | None = None
) -> Iterator[Span]:
    """Records what the block does. An error leaves its class in the span, and not its message."""
    with get_tracer().start_as_current_span(
        name,
        context,
        kind=kind,
        attributes=dict(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__qualname__)
            made.set_status(StatusCode.ERROR)
            raise


def is_traced() -> bool:
    """Returns whether this thread works for a request or job whose span is sent."""
    return get_current_span().is_recording()
