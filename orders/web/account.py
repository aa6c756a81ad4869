"""The page of a customer's account: the balance, what changed it, and the organizations."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.money import format_money
from billing.queries import MAX_BALANCE_ENTRIES, Entry, balance_of
from orders.use_cases.organizations.list_organizations import list_organizations
from orders.web.visitor import signed_in_actor

MAX_ORGANIZATIONS_SHOWN = 50

# The reasons of ledger entries in a customer's words. What stands after the colon is for staff, but for a code.
_WORDS = {
    "order-payment": "Paid for an order",
    "proration": "Unused part of a month",
    "grant": "Credit from us",
    "adjustment": "Correction",
    "reversal": "Taken back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the balance, in words."""

    words: str
    amount: str
    created_at: datetime


@never_cache
@require_safe
def account_page(request: HttpRequest) -> HttpResponse:
    """Shows the balance of the signed-in customer and its newest changes."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': reverse('account')})}")
    balance = balance_of(user_id=visitor.user_id)
    context = {
        "sovereign": settings.SOVEREIGN_NAME,
        "visitor": visitor,
        "credit": _money(balance.credit_minor),
        "held": _money(balance.held_minor) if balance.held_minor else "",
        "available": _money(balance.available_minor),
        "changes": [_change(entry) for entry in balance.entries],
        "max_changes": MAX_BALANCE_ENTRIES,
        "organizations": [
            each.organization for each in list_organizations(by=visitor, limit=MAX_ORGANIZATIONS_SHOWN)
        ],
    }
    return render(request, "customer/account.html", context)


def _change(entry: Entry) -> Change:
    kind, _, detail = entry.reason.partition(":")
    words = f"Voucher {detail}" if kind == "promo" else _WORDS.get(kind, "Correction")
    sign = "+" if entry.amount_minor > 0 else ""
    return Change(words=words, amount=f"{sign}{_money(entry.amount_minor)}", created_at=entry.created_at)


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
