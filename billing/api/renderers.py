"""Renders JSON with exact amounts of money, never through a float."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import simplejson
from django.http import HttpResponse
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from billing.database.shared_read import MAX_REMEMBERED, Read

_encode_other = JSONEncoder().default


class ExactJSONRenderer(JSONRenderer):
    """Renders a Decimal as a JSON number: `Decimal("5.25")` becomes `5.25`."""

    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else write_json(data)


def write_json(data: Any) -> bytes:
    """Returns the data as JSON. Raises: ValueError, TypeError."""
    text: str = simplejson.dumps(
        data,
        use_decimal=True,
        allow_nan=False,
        ensure_ascii=False,
        default=_encode_other,
        separators=(",", ":"),
    )
    return text.encode()


class JSONBody(HttpResponse):
    """An answer whose body is rendered already."""

    def __init__(self, body: bytes, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body, content_type=ExactJSONRenderer.media_type, status=status, headers=headers)


class Response(JSONBody):
    """An answer that renders its data as JSON."""

    def __init__(self, data: Any, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(write_json(data), status, headers)


def remember_bodies(describe: Callable[..., Any]) -> Callable[..., bytes]:
    """Makes a function that renders what `describe` makes of a `Read`, and remembers the body.

    A shared read gives the same object as long as it finds the same rows, so a body is never that of other rows.
    """

    @lru_cache(MAX_REMEMBERED)
    def body(read: Read[Any], *arguments: Any) -> bytes:
        return write_json(describe(read.value, *arguments))

    return body


class AlwaysJSON(DefaultContentNegotiation):
    """Always chooses JSON, whatever `Accept` says, so that no client gets a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
