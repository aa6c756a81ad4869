"""The landing page, and the pages to which Stripe sends a customer back."""

import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from billing.api.exceptions import UNAVAILABLE_RETRY_SECONDS, is_database_failure


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers an exception that no view handled: 503 while the database is away, else 500. Reads no database."""
    if is_database_failure(sys.exc_info()[1]):
        response = HttpResponse(render_to_string("503.html"), status=503)
        response.headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
        return response
    return HttpResponse(render_to_string("500.html"), status=500)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Describes the service and links to its parts. Needs no identity, and without one no database."""
    context = {
        "sovereign": settings.SOVEREIGN_NAME,
        "currency": settings.SOVEREIGN_CURRENCY,
        "auth_enabled": settings.AUTH_ENABLED,
        # The user is loaded only for a visitor who has a session.
        "visitor": request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None,
        "demo": settings.DEMO,
        "demo_logins": settings.DEMO_LOGINS,
        # If the demo talks to Stripe itself, there is no sandbox to link to.
        "sandbox": settings.STRIPE_API_BASE if settings.STRIPE_API_BASE.startswith("http://") else "",
        "demo_password": settings.DEMO_PASSWORD,
    }
    return render(request, "landing.html", context)


@require_safe
def checkout_success(request: HttpRequest) -> HttpResponse:
    """Thanks a customer who paid. CHECKOUT_SUCCESS_URL can name a page of the platform instead."""
    return render(request, "checkout_success.html", {"sovereign": settings.SOVEREIGN_NAME})


@require_safe
def checkout_cancel(request: HttpRequest) -> HttpResponse:
    """Tells a customer who left without paying what happens next. CHECKOUT_CANCEL_URL can name another page."""
    return render(request, "checkout_cancel.html", {"sovereign": settings.SOVEREIGN_NAME})
