"""Checks addresses to which a browser is sent."""

from urllib.parse import urlsplit

from config.devtools.stripe_sandbox.protocol.errors import invalid


def check_url(url: str, *, param: str) -> str:
    """Return the address if it is valid.

    Raises: StripeError url_invalid unless it is an absolute http or https address.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        usable = False
    if not usable or any(each.isspace() for each in url):
        raise invalid("Not a valid URL", param=param, code="url_invalid")
    return url
