"""The first page of a customer's account: the balance, what changed it, open payments, organizations, and orders."""

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.queries import MAX_BALANCE_ENTRIES, balance_of
from orders.models import Order
from orders.queries.orders import orders_of
from orders.use_cases.organizations.list_organizations import list_organizations
from orders.web.account.credit import describe_change
from orders.web.account.orders import describe_order
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor

MAX_ORGANIZATIONS_SHOWN = 50
MAX_READ = 50
MAX_ORDERS_SHOWN = 5


@never_cache
@require_safe
def account_page(request: HttpRequest) -> HttpResponse:
    """Shows the balance of the signed-in customer and its newest changes."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account")
    balance = balance_of(user_id=visitor.user_id, with_lots=True)
    organizations = list_organizations(by=visitor, limit=MAX_ORGANIZATIONS_SHOWN).value
    # A customer who has neither an organization nor an entry has ordered nothing.
    orders = _newest_and_waiting(visitor.user_id) if organizations or balance.entries else []
    context = {
        "visitor": visitor,
        "credit": money(balance.credit_minor),
        "held": money(balance.held_minor) if balance.held_minor else "",
        "available": money(balance.available_minor),
        "expiring": money(balance.next_expiry.amount_minor) if balance.next_expiry else "",
        "expires_at": balance.next_expiry.expires_at if balance.next_expiry else None,
        "changes": [describe_change(entry) for entry in balance.entries],
        "max_changes": MAX_BALANCE_ENTRIES,
        "has_more": len(balance.entries) == MAX_BALANCE_ENTRIES,
        "waiting": [describe_order(each) for each in orders if each.status == Order.Status.PENDING],
        "orders": [describe_order(each) for each in orders[:MAX_ORDERS_SHOWN]],
        "organizations": [each.organization for each in organizations],
    }
    return render(request, "account_pages/overview.html", context)


def _newest_and_waiting(user_id: str) -> list[Order]:
    """Returns the newest orders, and older ones that wait for a payment. One query."""
    own = orders_of(user_id=user_id)
    return list(own.filter(Q(status=Order.Status.PENDING) | Q(pk__in=own.values("pk")[:MAX_ORDERS_SHOWN]))[:MAX_READ])
