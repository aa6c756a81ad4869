"""The page of a customer's credit: what is held and for which order, what expires when, and every change."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.models import LedgerEntry
from billing.queries import CreditLeft, Entry, balance_of, entries_of
from orders.models import Order
from orders.queries.orders import orders_of
from orders.use_cases.ledger.explain_to_customer import words_of_reason
from orders.web.account.orders import describe_order
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor

PAGE = 50
MAX_PAYMENTS_SHOWN = 50
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the balance, in words."""

    words: str
    amount: str
    created_at: datetime
    order_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Credit that expires at one moment, or never."""

    amount: str
    expires_at: datetime | None


@never_cache
@require_safe
def credit_page(request: HttpRequest) -> HttpResponse:
    """Shows the signed-in customer's credit and a page of its changes, newest first."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-credit")
    balance = balance_of(user_id=visitor.user_id, with_lots=True)
    orders = orders_of(user_id=visitor.user_id).filter(status=Order.Status.PENDING)
    waiting = list(orders[:MAX_PAYMENTS_SHOWN]) if balance.held_minor else []
    before = request.GET.get("before", "")
    entries = entries_of(user_id=visitor.user_id)
    if before.isascii() and before.isdigit() and len(before) <= _MAX_DIGITS:
        entries = entries.filter(version__lt=int(before))
    found = list(entries[: PAGE + 1])
    context = {
        "visitor": visitor,
        "credit": money(balance.credit_minor),
        "held": money(balance.held_minor) if balance.held_minor else "",
        "available": money(balance.available_minor),
        "waiting": [describe_order(each) for each in waiting],
        "expiries": _expiries(balance.lots),
        "changes": [describe_change(entry) for entry in found[:PAGE]],
        "older": found[PAGE - 1].version if len(found) > PAGE else None,
    }
    return render(request, "account_pages/credit.html", context)


def describe_change(entry: Entry | LedgerEntry) -> Change:
    """Describes a ledger entry in the customer's words."""
    return Change(
        words=words_of_reason(entry.reason, is_credit=entry.amount_minor > 0),
        amount=money(entry.amount_minor, signed=True),
        created_at=entry.created_at,
        order_id=entry.order_id,
    )


def _expiries(lots: tuple[CreditLeft, ...]) -> list[Expiry]:
    """Adds up the credit of all classes that expires at the same moment. The lots stand in the order of expiry."""
    sums: dict[datetime | None, int] = {}
    for lot in lots:
        sums[lot.expires_at] = sums.get(lot.expires_at, 0) + lot.amount_minor
    return [Expiry(amount=money(minor), expires_at=at) for at, minor in sums.items()]
