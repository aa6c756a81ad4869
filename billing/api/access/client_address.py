"""The address of the client that sent a request."""

from ipaddress import ip_address, ip_network

from django.http import HttpRequest
from rest_framework.request import Request

# Internet providers usually give one customer a /64, in which single addresses cost nothing.
_IPV6_CUSTOMER_PREFIX = 64


def client_address(request: HttpRequest | Request) -> str | None:
    """Returns the client's IP address, as the proxy middleware determined it. None if there is none."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(address))
    except ValueError:
        return None


def client_network(request: HttpRequest | Request) -> str:
    """Returns the network that rate limits count by: an IPv4 address or an IPv6 /64. Empty without an address."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address or ""
    return str(ip_network(f"{address}/{_IPV6_CUSTOMER_PREFIX}", strict=False))
