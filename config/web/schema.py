"""The OpenAPI schema, made once a process.

drf-spectacular changes the view classes while it describes them, so two threads at once spoil each other's result.
The schema depends on no request: all of it is public, and it has one language and one version.
"""

from threading import Lock
from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_made: dict[str, Any] = {}
_making = Lock()


class SchemaView(SpectacularAPIView):
    """Answers the schema as YAML or JSON."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = Response(schema())
        response.headers["Content-Disposition"] = f'inline; filename="{self._get_filename(request, None)}"'  # type: ignore[no-untyped-call]
        return response


def schema() -> dict[str, Any]:
    """Returns the schema of the whole API. Callers must not change it."""
    with _making:
        if not _made:
            generator = SchemaView.generator_class()
            _made.update(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]
    return _made
