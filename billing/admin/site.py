"""The site itself, where the skin's own has a gap."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse

_search = admin.site.search  # type: ignore[attr-defined]


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The skin's search of pages. It has one page of results, and fails on every other one."""
    if request.GET.get("page", "1") != "1":
        raise Http404
    response: HttpResponse = _search(request, extra_context)
    return response


admin.site.search = search  # type: ignore[attr-defined]
