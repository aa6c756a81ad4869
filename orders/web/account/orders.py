"""The list of a customer's orders. An order's own page is the shop's."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.models import Order
from orders.queries.orders import orders_of
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor

PAGE = 50

_STATES: dict[str, str | Promise] = {
    Order.Status.PENDING: _("waits for the payment"),
    Order.Status.COMPLETED: _("paid"),
    Order.Status.FAILED: _("not paid"),
    Order.Status.EXPIRED: _("not paid"),
    Order.Status.CANCELLED: _("given up"),
    Order.Status.REFUNDED: _("refunded"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order as lists show it. `held_until` is the end of the payment page of one that waits."""

    id: UUID
    created_at: datetime
    organization: str
    is_renewal: bool
    total: str
    due: str
    held: str
    held_until: datetime | None
    state: str | Promise


def describe_order(order: Order) -> OrderRow:
    """Describes an order that was read with its organization and payment."""
    payment = getattr(order, "payment", None)
    is_waiting = order.status == Order.Status.PENDING
    return OrderRow(
        id=order.id,
        created_at=order.created_at,
        organization=order.organization.name,
        is_renewal=order.kind == Order.Kind.RENEWAL,
        total=money(order.total_minor),
        due=money(order.amount_due_minor),
        held=money(order.credit_to_hold_minor) if is_waiting and order.credit_to_hold_minor else "",
        held_until=payment.expires_at if payment and is_waiting else None,
        state=_STATES[order.status],
    )


@never_cache
@require_safe
def orders_page(request: HttpRequest) -> HttpResponse:
    """Lists the customer's own orders, newest first."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-orders")
    orders = orders_of(user_id=visitor.user_id)
    before = _read_id(request.GET.get("before", ""))
    after_cursor = orders.filter(id__lt=before) if before else orders
    found = list(after_cursor[: PAGE + 1])
    context = {
        "visitor": visitor,
        "orders": [describe_order(each) for each in found[:PAGE]],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
    }
    return render(request, "account_pages/orders.html", context)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
