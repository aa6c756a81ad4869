"""The URL configuration of a deployment with TMF654_ENABLED=1."""

from django.conf import settings

from config.parts.api_groups import EndpointResolver, load_endpoints

urlpatterns = [EndpointResolver(settings.API_PREFIX, load_endpoints("billing.urls", "orders.urls", groups_off=()))]
