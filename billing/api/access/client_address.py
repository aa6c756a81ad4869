"""The address of the client that sent a request."""

from ipaddress import ip_address

from django.http import HttpRequest
from rest_framework.request import Request

from billing.use_cases.count_attempt import network_of


def client_address(request: HttpRequest | Request) -> str | None:
    """Returns the client's IP address, as the proxy middleware determined it. None if there is none."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(address))
    except ValueError:
        return None


def client_network(request: HttpRequest | Request) -> str:
    """Returns the network that rate limits count by: an IPv4 address or an IPv6 /64. Empty without an address."""
    return network_of(client_address(request))
