"""The WSGI application, for gunicorn and `runserver`: Django's, behind what Django cannot cope with."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# What the API accepts at most (`billing.api.parsers`), and the one byte more that shows it was exceeded.
_MAX_BODY_READ = 256 * 1024 + 1

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def readable_requests(application: WSGIApplication) -> WSGIApplication:
    """Makes requests readable for Django that it would misread, or fail on before any error handler."""

    def readable(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _measure_chunked_body(environ)
        _replace_unreadable_content_type(environ)
        return application(environ, start_response)

    return readable


def _measure_chunked_body(environ: dict[str, Any]) -> None:
    """Gives a body sent in chunks its length.

    Django takes a request without Content-Length for one without a body: a client that streams its JSON would
    be told that every field is missing. Servers that end `wsgi.input` themselves say so by
    `wsgi.input_terminated`; then the body is read, as far as it could be accepted at all.
    """
    if not environ.get("wsgi.input_terminated") or not environ.get("HTTP_TRANSFER_ENCODING"):
        return
    try:
        body = environ["wsgi.input"].read(_MAX_BODY_READ)
    except OSError:
        # The client broke off, or sent no proper chunks: that is no body.
        body = b""
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _replace_unreadable_content_type(environ: dict[str, Any]) -> None:
    """A Content-Type that Django cannot parse becomes one that nothing here accepts, which is a 415."""
    try:
        parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    except (ValueError, LookupError):
        environ["CONTENT_TYPE"] = "application/octet-stream"


application = readable_requests(get_wsgi_application())
