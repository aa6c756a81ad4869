"""Stripe's documents as staff read them: without what lets whoever knows it act for the customer."""

from typing import Any

from django.http import HttpRequest

# Shown to nobody.
_SECRET = frozenset({"client_secret"})
# The page of an open session, and that of an open invoice: each takes money.
_PAYABLE = frozenset({"hosted_invoice_url", "url"})


def sees_links(request: HttpRequest) -> bool:
    """Whether links to pay are shown: to who may move an order's money, not to who only reads.

    Whoever has such a link acts for the customer: sees what they buy, and leaves the card that later months charge.
    """
    return request.user.has_perm("orders.add_refund")


def is_shown(request: HttpRequest, name: str) -> bool:
    """Whether that member of a document is shown to this member of staff."""
    return name not in _hidden(request)


def shown(request: HttpRequest, document: Any) -> Any:
    """A document without the members that are not shown, however deep they are."""
    return _without(document, _hidden(request))


def _hidden(request: HttpRequest) -> frozenset[str]:
    return _SECRET if sees_links(request) else _SECRET | _PAYABLE


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value
