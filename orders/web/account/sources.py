"""The page that explains a customer's balance: where the credit came from, and what it paid."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.queries import balance_of
from orders.use_cases.ledger.explain_to_customer import CreditSource, explain_to_customer
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor


@never_cache
@require_safe
def sources_page(request: HttpRequest) -> HttpResponse:
    """Shows the signed-in customer what the balance is made of."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-credit-sources")
    sources = explain_to_customer(user_id=visitor.user_id)
    context = {
        "visitor": visitor,
        "credit": money(balance_of(user_id=visitor.user_id).credit_minor),
        "sources": [_describe(each) for each in sources],
    }
    return render(request, "account_pages/sources.html", context)


def _describe(source: CreditSource) -> dict[str, Any]:
    return {
        "words": source.words,
        "at": source.at,
        "brought": money(source.amount_minor),
        "left": money(source.left_minor),
        "held": money(source.held_minor) if source.held_minor else "",
        "expires_at": source.expires_at,
        "uses": [
            {
                "words": use.words,
                "organization": use.organization or "",
                "order_id": use.order_id,
                "at": use.at,
                "amount": money(use.amount_minor),
            }
            for use in source.uses
        ],
    }
