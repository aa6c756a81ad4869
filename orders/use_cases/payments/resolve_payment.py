"""Resolves an organization's open payment for a new checkout: resumes it, replaces it, or refuses the checkout.

A retry, a refresh, the back button and a second tab request the same basket, and get the same session. A checkout of
another basket replaces the payment, but only after Stripe has closed its session: two sessions of an organization
must never be payable at once.
"""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.errors import RequestInProgress, translate_violations
from billing.queries import balance_of
from billing.use_cases.store_answer import store_answer
from orders.errors import OrderStale, PaymentInProgress
from orders.locks import lock_order
from orders.models import Order, Payment
from orders.models.basket import CheckoutRequest
from orders.queries.offer import load_basket
from orders.queries.orders import find_open_order
from orders.stripe import gateway
from orders.use_cases.checkout.complete_order import basket_of
from orders.use_cases.payments.open_payment import OpenedPayment, answer_checkout, ask_processor, take_over_request
from orders.use_cases.payments.settle_payment import settle_session


def resolve_open_payment(*, request: CheckoutRequest, by: Actor, now: datetime) -> OpenedPayment | Order | None:
    """Resumes the open payment where the basket is the same, else closes it.

    Returns: the resumed payment, or the closed order; None where no payment is open any more.
    Raises: PaymentInProgress while the payment is being requested, processed or paid; PaymentProcessorError.
    """
    order = find_open_order(organization_id=request.tenant_id)
    if order is None:
        return None
    same = is_same_basket(order, request)
    if order.payment.status == Payment.Status.PROCESSING:
        raise PaymentInProgress
    if order.payment.status == Payment.Status.REQUESTED:
        if not take_over_request(order_id=order.id, now=now):
            raise PaymentInProgress(retry_after=2)
        opened = ask_processor(order_id=order.id, by=by)
        if same:
            return _store_answer(opened, request, order, now=now)
        order.payment.refresh_from_db()
    elif same and order.payment.expires_at > now:
        opened = OpenedPayment(
            order_id=order.id,
            session_url=order.payment.session_url,
            balance_minor=balance_of(user_id=order.customer.user_id).credit_minor,
        )
        return _store_answer(opened, request, order, now=now)
    return _close(order, by=by)


def resume_retired_basket(*, request: CheckoutRequest, by: Actor, now: datetime) -> OpenedPayment | None:
    """Resumes the open payment of a basket of which an item was retired since; None where it is another basket's.

    Raises: as `resolve_open_payment`; UnknownPlan, UnknownApp, UnknownAddOn, UnknownBundle for items that never were.
    """
    order = find_open_order(organization_id=request.tenant_id)
    if order is None or not is_same_basket(order, request):
        return None
    resolved = resolve_open_payment(request=request, by=by, now=now)
    return resolved if isinstance(resolved, OpenedPayment) else None


def resume_request(*, order_id: UUID, by: Actor, now: datetime) -> OpenedPayment:
    """Continues a request whose first try stopped before it had an answer.

    Raises: RequestInProgress while another process may be calling Stripe; PaymentProcessorError.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        if order.payment.status != Payment.Status.REQUESTED:
            # The first try, a webhook or the sweeper recorded the session after the caller had read the answer.
            return answer_checkout(order)
        if not take_over_request(order_id=order_id, now=now):
            raise RequestInProgress(retry_after=2)
    return ask_processor(order_id=order_id, by=by)


def is_same_basket(order: Order, request: CheckoutRequest) -> bool:
    """Returns whether a checkout asks for what the open order sells, at its price, and so resumes its payment.

    An item that was retired since is still what the open order sells.
    """
    if order.kind == Order.Kind.RENEWAL:
        return False
    requested = load_basket(
        plan=request.plan, apps=request.apps, addons=request.addons, bundle=request.bundle, retired=True
    )
    ordered = basket_of(order)
    return (
        requested.plan.item_id == ordered.plan.item_id
        and requested.addon_ids == ordered.addon_ids
        and sorted(requested.apps) == sorted(ordered.apps)
        and requested.bundle == ordered.bundle
        and requested.total_minor == ordered.total_minor
        and request.promo_code in ("", order.promo_code)
    )


def _close(order: Order, *, by: Actor) -> Order:
    try:
        session = gateway.expire_session(order.payment.session_id or "")
    except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
        raise PaymentInProgress(retry_after=30) from error
    settle_session(order_id=order.id, session=session, by=by)
    if session.status != "expired":
        raise PaymentInProgress
    order.refresh_from_db()
    return order


def _store_answer(opened: OpenedPayment, request: CheckoutRequest, order: Order, *, now: datetime) -> OpenedPayment:
    """Stores the answer for this request's own idempotency key too."""
    if request.idempotency_key:
        # Another request with the same key may have stored the same answer.
        with suppress(OrderStale), translate_violations({"billing_idempotencykey_once": OrderStale}):
            store_answer(
                customer_id=order.customer_id,
                key=request.idempotency_key,
                fingerprint=request.fingerprint,
                result_id=order.id,
                balance_minor=opened.balance_minor,
                session_url=opened.session_url,
                now=now,
            )
    return opened
