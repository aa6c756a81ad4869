"""Where a request comes from."""

from ipaddress import ip_address, ip_network

from django.http import HttpRequest
from rest_framework.request import Request

# What one customer of an internet provider is usually given: single addresses in it cost nothing.
_IPV6_CUSTOMER_PREFIX = 64


def client_address(request: HttpRequest | Request) -> str | None:
    """The client's IP address, as the proxy middleware established it; None where there is none."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(address))
    except ValueError:
        return None


def client_network(request: HttpRequest | Request) -> str:
    """What limits are counted by: an IPv4 address, an IPv6 /64, or empty where there is no address."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address or ""
    return str(ip_network(f"{address}/{_IPV6_CUSTOMER_PREFIX}", strict=False))
