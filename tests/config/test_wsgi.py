import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from config.wsgi import application, readable_requests

LIMIT = 256 * 1024


def chunked(**given: Any) -> dict[str, Any]:
    """The environ of a POST as gunicorn makes it of one without Content-Length."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "CONTENT_TYPE": "application/json",
    } | given
    setup_testing_defaults(environ)
    return environ


def seen(environ: dict[str, Any]) -> tuple[str | None, bytes]:
    """The length and the body that the application behind is given."""
    found: list[tuple[str | None, bytes]] = []

    def behind(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found.append((environ.get("CONTENT_LENGTH"), environ["wsgi.input"].read()))
        return []

    list(readable_requests(behind)(environ, lambda *_: None))
    return found[0]


def test_a_chunked_body_gets_its_length() -> None:
    assert seen(chunked(**{"wsgi.input": BytesIO(b'{"code": "A"}')})) == ("13", b'{"code": "A"}')


def test_a_chunked_body_is_read_one_byte_beyond_the_limit() -> None:
    length, body = seen(chunked(**{"wsgi.input": BytesIO(b" " * 3_000_000)}))
    assert (length, len(body)) == (str(LIMIT + 1), LIMIT + 1)


def test_a_body_that_breaks_off_is_none() -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise OSError("invalid chunk")

    assert seen(chunked(**{"wsgi.input": Broken()})) == ("0", b"")


def test_a_measured_body_is_left_alone() -> None:
    body = BytesIO(b"12345")
    environ = chunked(**{"wsgi.input": body, "CONTENT_LENGTH": "3"})
    del environ["HTTP_TRANSFER_ENCODING"]
    assert seen(environ) == ("3", b"12345")


def test_a_server_that_does_not_end_the_body_is_not_read() -> None:
    environ = chunked(**{"wsgi.input": BytesIO(b"12345")})
    del environ["wsgi.input_terminated"]
    assert seen(environ)[0] is None


@pytest.mark.django_db
@pytest.mark.urls("tests.billing.api.probe")
@pytest.mark.parametrize(
    ("content_type", "status", "answer"),
    [
        ("application/json", "200 OK", {"a": 1}),
        (
            "application/json; charset*=x''y",
            "415 Unsupported Media Type",
            {
                "error": "the body must be JSON: send Content-Type: application/json",
                "code": "unsupported_media_type",
            },
        ),
    ],
)
def test_an_unreadable_content_type_is_a_415(content_type: str, status: str, answer: Any) -> None:
    environ = chunked(**{"wsgi.input": BytesIO(b'{"a": 1}'), "PATH_INFO": "/api/echo", "CONTENT_TYPE": content_type})
    environ["HTTP_HOST"] = "testserver"
    statuses: list[str] = []
    response = application(environ, lambda status, headers: statuses.append(status))
    assert json.loads(b"".join(response)) == answer
    assert statuses == [status]
