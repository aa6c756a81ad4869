"""The address of the client that sent a request."""

from ipaddress import ip_address

from django.http import HttpRequest
from rest_framework.request import Request


def client_address(request: HttpRequest | Request) -> str | None:
    """Returns the client's IP address, as the proxy middleware determined it. None if there is none."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(address))
    except ValueError:
        return None
