"""The URL configuration of a deployment with TMF654_ENABLED=1."""

from django.conf import settings
from django.urls import include, path

from config.parts.api_groups import load_endpoints

urlpatterns = [path(settings.API_PREFIX, include(load_endpoints("billing.urls", "orders.urls", groups_off=())))]
