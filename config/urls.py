"""The root URL configuration: the API under its root, the console, and the landing page.

Middleware answers the health endpoints before this is consulted (`config.web.health`).
"""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation

from config.parts.api_groups import TM_FORUM, EndpointResolver, load_endpoints
from config.web.pages import checkout_cancel, checkout_success, landing
from config.web.schema import SchemaView

_API_ROOT = settings.API_PREFIX
_APPS = ("billing.urls", "promos.urls", "orders.urls")
_GROUPS_OFF = settings.API_GROUPS_OFF | (set() if settings.TMF654_ENABLED else {TM_FORUM})

# The page's script has an address of its own, because the content security policy allows no inline script. The other
# methods would describe the view with a renderer that cannot.
_READING = ["get", "head"]
_schema = SchemaView.as_view(content_negotiation_class=DefaultContentNegotiation, http_method_names=_READING)
# If a gateway strips a prefix, only an address relative to the page's own is right.
_docs = SpectacularSwaggerSplitView.as_view(
    url=None if _API_ROOT else "schema",
    url_self=None if _API_ROOT else "docs",
    content_negotiation_class=DefaultContentNegotiation,
    http_method_names=_READING,
)

handler500 = "config.web.pages.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    EndpointResolver(_API_ROOT, load_endpoints(*_APPS, groups_off=_GROUPS_OFF)),
    path("", landing, name="landing"),
    path("admin/", admin.site.urls),
    path("accounts/", include("billing.web.urls")),
    *([path("", include("orders.web.urls"))] if settings.AUTH_ENABLED else []),
    path("checkout/success", checkout_success, name="checkout-success"),
    path("checkout/cancel", checkout_cancel, name="checkout-cancel"),
    path(f"{_API_ROOT}schema", _schema, name="schema"),
    path(f"{_API_ROOT}docs", _docs, name="docs"),
]
