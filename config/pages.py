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
        # Where the demo talks to Stripe itself there is no sandbox to look at.
        "sandbox": settings.STRIPE_API_BASE if settings.STRIPE_API_BASE.startswith("http://") else "",
        "demo_password": settings.DEMO_PASSWORD,
    }
    return render(request, "landing.html", context)


@require_safe
def checkout_success(request: HttpRequest) -> HttpResponse:
    """Where Stripe sends a customer who paid, unless CHECKOUT_SUCCESS_URL names a page of the platform's own."""
    return render(request, "checkout_success.html", {"sovereign": settings.SOVEREIGN_NAME})


@require_safe
def checkout_cancel(request: HttpRequest) -> HttpResponse:
    """Where Stripe sends a customer who left without paying."""
    return render(request, "checkout_cancel.html", {"sovereign": settings.SOVEREIGN_NAME})
