"""The landing page: whose service this is, and the ways in."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Says what this is and links to its parts; needs no identity and no database."""
    context = {
        "sovereign": settings.SOVEREIGN_NAME,
        "currency": settings.SOVEREIGN_CURRENCY,
        "demo": settings.DEMO,
        "demo_logins": settings.DEMO_LOGINS,
        "demo_password": settings.DEMO_PASSWORD,
    }
    return render(request, "landing.html", context)
