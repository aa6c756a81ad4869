"""The WSGI application for gunicorn and `runserver`: Django's, wrapped to fix requests that Django misreads."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The largest body that the API accepts (`billing.api.parsers`), and one byte more to detect a larger one.
_MAX_BODY_READ = 256 * 1024 + 1

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def readable_requests(application: WSGIApplication) -> WSGIApplication:
    """Wraps the application to repair requests that Django misreads, or that fail before any error handler."""

    def readable(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _measure_chunked_body(environ)
        _replace_unreadable_content_type(environ)
        return application(environ, start_response)

    return readable


def _measure_chunked_body(environ: dict[str, Any]) -> None:
    """Sets Content-Length for a body that is sent in chunks.

    Django treats a request without Content-Length as one without a body: a client that streams its JSON would get the
    answer that every field is missing. A server that ends `wsgi.input` itself sets `wsgi.input_terminated`. Then this
    reads the body, up to the largest size that the API accepts.
    """
    if not environ.get("wsgi.input_terminated") or not environ.get("HTTP_TRANSFER_ENCODING"):
        return
    try:
        body = environ["wsgi.input"].read(_MAX_BODY_READ)
    except OSError:
        # The client disconnected or sent malformed chunks. Treat it as an empty body.
        body = b""
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _replace_unreadable_content_type(environ: dict[str, Any]) -> None:
    """Replaces a Content-Type that Django cannot parse by one that no parser accepts, so the answer is a 415."""
    try:
        parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    except (ValueError, LookupError):
        environ["CONTENT_TYPE"] = "application/octet-stream"


application = readable_requests(get_wsgi_application())
