"""The WSGI application, for gunicorn and `runserver`."""

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# What the API accepts at most (`billing.api.parsers`), and the one byte more that shows it was exceeded.
_READ_AT_MOST = 256 * 1024 + 1

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def measure_chunked_bodies(application: WSGIApplication) -> WSGIApplication:
    """Gives a body sent in chunks its length.

    Django takes a request without Content-Length for one without a body: a client that streams its JSON
    would be told that every field is missing. Servers that end `wsgi.input` themselves say so by
    `wsgi.input_terminated`; then the body is read, as far as it could be accepted at all.
    """

    def measured(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("wsgi.input_terminated") and environ.get("HTTP_TRANSFER_ENCODING"):
            try:
                body = environ["wsgi.input"].read(_READ_AT_MOST)
            except OSError:
                # The client broke off, or sent no proper chunks: that is no body.
                body = b""
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return measured


application = measure_chunked_bodies(get_wsgi_application())
