"""The landing page, and the pages to which Stripe sends a customer back."""

import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.api.exceptions import UNAVAILABLE_RETRY_SECONDS, is_database_failure
from orders.web.shop.order import find_order_of_session, newest_placed_order
from orders.web.visitor import signed_in_actor


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers an exception that no view handled: 503 while the database is away, else 500. Reads no database."""
    if is_database_failure(sys.exc_info()[1]):
        response = HttpResponse(render_to_string("503.html"), status=503)
        response.headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
        return response
    return HttpResponse(render_to_string("500.html"), status=500)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Opens the shop; without the customers' pages it describes the service. Needs no identity, nor a database."""
    # The user is loaded only for a visitor who has a session.
    is_known = settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated
    context = {
        "sovereign": settings.SOVEREIGN_NAME,
        "currency": settings.SOVEREIGN_CURRENCY,
        "visitor": request.user if is_known else None,
        "demo_logins": settings.DEMO_LOGINS,
        # If the demo talks to Stripe itself, there is no sandbox to link to.
        "sandbox": settings.STRIPE_API_BASE if settings.STRIPE_API_BASE.startswith("http://") else "",
        "demo_password": settings.DEMO_PASSWORD,
    }
    return render(request, "shop/front.html" if settings.AUTH_ENABLED else "landing.html", context)


@never_cache
@require_safe
def checkout_success(request: HttpRequest) -> HttpResponse:
    """Leads a customer who paid to the order, or thanks one who is not signed in.

    CHECKOUT_SUCCESS_URL can name a page of the platform instead.
    """
    visitor = signed_in_actor(request) if settings.AUTH_ENABLED else None
    order = find_order_of_session(session_id=request.GET.get("session", ""), by=visitor) if visitor else None
    if order is not None:
        return HttpResponseRedirect(f"{reverse('shop-order', args=[order.id])}?returned=paid")
    return render(request, "checkout_success.html", {"sovereign": settings.SOVEREIGN_NAME})


@never_cache
@require_safe
def checkout_cancel(request: HttpRequest) -> HttpResponse:
    """Leads a customer who left without paying to the order, or tells one who is not signed in what happens next.

    CHECKOUT_CANCEL_URL can name another page.
    """
    order_id = newest_placed_order(request) if settings.AUTH_ENABLED else ""
    if order_id:
        return HttpResponseRedirect(reverse("shop-order", args=[order_id]))
    return render(request, "checkout_cancel.html", {"sovereign": settings.SOVEREIGN_NAME})
