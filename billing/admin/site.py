"""Fixes for the admin site of Django and of django-unfold, the theme that the console uses."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import TO_FIELD_VAR
from django.http import Http404, HttpRequest, HttpResponse

_search = admin.site.search  # type: ignore[attr-defined]
_admin_view, _get_urls = admin.site.admin_view, admin.site.get_urls
_each_context = admin.site.each_context


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Runs the theme's search, which has one page of results and fails on any other: those are a 404."""
    if request.GET.get("page", "1") != "1":
        raise Http404
    response: HttpResponse = _search(request, extra_context)
    return response


admin.site.search = search  # type: ignore[attr-defined]


def admin_view(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
    """Refuses `_to_field`: no page of the console uses it, and Django fails where it is empty."""
    guarded = _admin_view(view, cacheable)

    @wraps(guarded)
    def checked(request: HttpRequest, *args: Any, **options: Any) -> Any:
        if TO_FIELD_VAR in request.GET:
            raise Http404
        return guarded(request, *args, **options)

    return checked


def get_urls() -> list[Any]:
    """Leaves out the address of an object's own page. No object has one, and Django fails without its sites app."""
    return [each for each in _get_urls() if getattr(each, "name", None) != "view_on_site"]


def each_context(request: HttpRequest) -> dict[str, Any]:
    """Adds the name of the zone in which a page shows its times, and the server that the page is read from."""
    return {
        **_each_context(request),
        "time_zone": settings.SOVEREIGN_TIME_ZONE,
        "read_from": getattr(request, "read_from", None),
    }


admin.site.each_context = each_context  # type: ignore[method-assign]
admin.site.admin_view = admin_view  # type: ignore[method-assign, assignment]
admin.site.get_urls = get_urls  # type: ignore[method-assign]
