"""Renders JSON with exact amounts of money, never through a float."""

from collections.abc import Iterable, Mapping
from typing import Any

import simplejson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

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
        if data is None:
            return b""
        text: str = simplejson.dumps(
            data,
            use_decimal=True,
            allow_nan=False,
            ensure_ascii=False,
            default=_encode_other,
            separators=(",", ":"),
        )
        return text.encode()


class AlwaysJSON(DefaultContentNegotiation):
    """Always chooses JSON, whatever `Accept` says, so that no client gets a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
