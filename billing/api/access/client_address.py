"""The address of the client that sent a request."""

from django.http import HttpRequest
from rest_framework.request import Request


def client_address(request: HttpRequest | Request) -> str | None:
    """Returns the client's IP address, as the proxy middleware determined it. None if there is none."""
    return request.META.get("REMOTE_ADDR") or None
