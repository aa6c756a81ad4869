"""The page of a placed order: its payment, then the progress until the organization is live."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.actor import Actor
from billing.errors import DomainError
from billing.models import Organization
from billing.text import as_sentence
from orders.models import App, Order, Payment, Provision
from orders.models.basket import BundleDiscount
from orders.models.step import StepStatus
from orders.queries.items import item_names
from orders.use_cases.payments.give_up_payment import give_up_payment
from orders.use_cases.provisioning.ensure_provision import COMPLETE, ensure_provision
from orders.web.shop.basket import placed_orders
from orders.web.shop.steps import is_live
from orders.web.shop.summary import join_names, money, price_rows
from orders.web.visitor import sign_in_first, signed_in_actor

_ENDED = {Order.Status.FAILED, Order.Status.EXPIRED, Order.Status.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of an order in words, and whether the page must be read again to see it change."""

    title: str
    is_changing: bool
    provision: Provision | None = None
    payment: Payment | None = None


@never_cache
@require_safe
def order_page(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Shows one of the customer's own orders."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("shop-order", order_id)
    order = _find_order(order_id, by=visitor)
    progress = _progress_of(order, has_paid=request.GET.get("returned") == "paid")
    part = "live" if is_live(request) else "page"
    return render(
        request,
        f"shop/order_{part}.html",
        {
            "visitor": visitor,
            "order": order,
            "progress": progress,
            "organization": order.organization,
            "is_live": order.organization.status == Organization.Status.ACTIVE,
            "address": f"{order.organization.slug}.{settings.SOVEREIGN_DOMAIN}",
            "lines": price_rows(order.lines.all(), BundleDiscount.of(order.bundle)),
            "apps": join_names(item_names(App, order.apps)),
            "total": money(order.total_minor),
            "credit": money(order.credit_applied_minor) if order.credit_applied_minor else "",
            "held": money(order.credit_to_hold_minor) if order.credit_to_hold_minor else "",
            "due": money(order.amount_due_minor) if order.amount_due_minor else "",
            "is_ended": order.status in _ENDED,
            "steps": _describe_steps(progress.provision) if progress.provision else [],
        },
    )


@never_cache
@require_POST
def give_up(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Gives up the open payment of one of the customer's own orders."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("shop-order", order_id)
    _find_order(order_id, by=visitor)
    try:
        give_up_payment(order_id=order_id, by=visitor)
    except DomainError as error:
        messages.warning(request, as_sentence(error.text))
    return HttpResponseRedirect(reverse("shop-order", args=[order_id]))


def find_order_of_session(*, session_id: str, by: Actor) -> Order | None:
    """Returns the caller's own order that this session of Stripe's pays. One query."""
    orders = Order.objects.filter(customer__user_id=by.user_id)
    return orders.filter(payment__session_id=session_id).first() if session_id else None


def newest_placed_order(request: HttpRequest) -> str:
    """Returns the id of the order that this session placed last; empty without one. Costs a stranger no query."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return ""
    return next(reversed(placed_orders(request).values()), "")


def _find_order(order_id: UUID, *, by: Actor) -> Order:
    """Returns the order with what the page shows of it. Raises: Http404, also for another customer's."""
    orders = Order.objects.select_related("organization", "payment", "provision").prefetch_related("lines")
    order = orders.filter(id=order_id, customer__user_id=by.user_id).first()
    if order is None:
        raise Http404
    return order


def _describe_steps(provision: Provision) -> list[dict[str, str]]:
    """Writes the steps in the active language; a provisioner's own steps keep their names."""
    states = {
        StepStatus.COMPLETED: _("done"),
        StepStatus.RUNNING: _("in progress"),
        StepStatus.FAILED: _("failed"),
        StepStatus.PENDING: _("waiting"),
    }
    return [
        {"name": _describe_step(step.name), "status": step.status.value, "state": states[step.status]}
        for step in provision.read_steps()
    ]


def _describe_step(name: str) -> str:
    for start, translated in (
        ("Deploying ", _("Deploying %(name)s")),
        ("Connecting ", _("Connecting %(name)s")),
    ):
        if name.startswith(start):
            return translated % {"name": name.removeprefix(start)}
    return _("Creating namespace") if name == "Creating namespace" else name


def _progress_of(order: Order, *, has_paid: bool) -> Progress:
    if order.status in COMPLETE and order.kind == Order.Kind.PURCHASE and order.status != Order.Status.REFUNDED:
        return _progress_of_setup(order, ensure_provision(order=order, in_worker=False))
    payment: Payment | None = getattr(order, "payment", None)
    is_processing = payment is not None and payment.status == Payment.Status.PROCESSING
    is_confirmed_soon = has_paid and not is_processing and order.status == Order.Status.PENDING
    waiting = _("Your bank is processing the payment") if is_processing else _("Your order waits for the payment")
    titles = {
        Order.Status.PENDING: _("Thank you. Your payment is being confirmed") if is_confirmed_soon else waiting,
        Order.Status.COMPLETED: _("Thank you. The month is paid"),
        Order.Status.REFUNDED: _("This order was refunded"),
    }
    return Progress(
        title=titles.get(Order.Status(order.status), _("This order was not paid")),
        is_changing=order.status == Order.Status.PENDING,
        payment=None if is_confirmed_soon else payment,
    )


def _progress_of_setup(order: Order, provision: Provision) -> Progress:
    status = order.organization.status
    if status == Organization.Status.ACTIVE and provision.status == Provision.Status.SUCCEEDED:
        return Progress(title=_("Your organization is live"), is_changing=False, provision=provision)
    if status in (Organization.Status.SUSPENDED, Organization.Status.DELETED):
        return Progress(title=_("This organization is not running"), is_changing=False, provision=provision)
    if provision.status == Provision.Status.FAILED:
        title = _("Setting up takes longer than usual. We look after it")
    else:
        title = _("Thank you. We are setting up your organization")
    return Progress(title=title, is_changing=True, provision=provision)
