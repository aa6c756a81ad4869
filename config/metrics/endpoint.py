"""GET /metrics: for Prometheus, which identifies itself by METRICS_TOKEN. Without the setting it does not exist.

It is answered before Django checks the request's host, as the health endpoints are.
"""

import os
from hmac import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from config.metrics.database_state import DatabaseState


@require_safe
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Answers what the processes of this web server counted, and the state of the work."""
    if not is_allowed(request.META.get("HTTP_AUTHORIZATION", "")):
        answer = JsonResponse({"error": "send the metrics token as a bearer token", "code": "not_authenticated"})
        answer.status_code, answer.headers["WWW-Authenticate"] = 401, "Bearer"
        return answer
    return HttpResponse(render_metrics(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def is_allowed(authorization: str) -> bool:
    """Tells whether the header carries the metrics token."""
    scheme, _, token = authorization.partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and compare_digest(token.strip().encode(), expected.encode())


def render_metrics() -> bytes:
    """Returns everything in the text format of Prometheus."""
    processes = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        processes = CollectorRegistry()
        MultiProcessCollector(processes)  # type: ignore[no-untyped-call]
    state = CollectorRegistry()
    state.register(DatabaseState())
    return generate_latest(processes) + generate_latest(state)
