"""The check of addresses that a client gives for a browser to go to."""

from urllib.parse import urlsplit

from config.devtools.stripe_sandbox.errors import invalid


def check_url(url: str, *, param: str) -> str:
    """The address.

    Raises: StripeError url_invalid where it is not a whole http(s) one.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        usable = False
    if not usable or any(each.isspace() for each in url):
        raise invalid("Not a valid URL", param=param, code="url_invalid")
    return url
