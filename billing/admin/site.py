"""A fix for the admin site of django-unfold, the theme that the console uses."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse

_search = admin.site.search  # type: ignore[attr-defined]


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Runs the theme's search, which has one page of results and fails on any other: those are a 404."""
    if request.GET.get("page", "1") != "1":
        raise Http404
    response: HttpResponse = _search(request, extra_context)
    return response


admin.site.search = search  # type: ignore[attr-defined]
