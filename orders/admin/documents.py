"""Hides members of Stripe's documents that let their reader act for the customer: secrets, and links to pay."""

from typing import Any

from django.http import HttpRequest

# Never shown.
_SECRET = frozenset({"client_secret"})
# The pages of an open session and of an open invoice. Both take a payment.
_PAYABLE = frozenset({"hosted_invoice_url", "url"})


def sees_links(request: HttpRequest) -> bool:
    """Returns whether this member of staff sees links to pay: only those who may refund an order do.

    A link to pay acts for the customer: it shows what they buy, and stores the card that later months are charged to.
    """
    return request.user.has_perm("orders.add_refund")


def is_shown(request: HttpRequest, name: str) -> bool:
    """Returns whether this member of staff sees that member of a document."""
    return name not in _hidden(request)


def redact(request: HttpRequest, document: Any) -> Any:
    """Removes the hidden members from a document, at any depth."""
    return _without(document, _hidden(request))


def _hidden(request: HttpRequest) -> frozenset[str]:
    return _SECRET if sees_links(request) else _SECRET | _PAYABLE


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value
