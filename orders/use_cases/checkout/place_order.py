"""A checkout: this module decides, and one SQL statement (place_orders.sql) writes.

1. If this process has priced the basket before, it does not read the state first. One statement checks what the
   checkout depends on, and writes order, redemption, ledger entries, subscription, invoice, event and jobs. Requests
   that arrive together share it (batched_checkout.py, billing/database/group_commit.py).
2. If that places no order, or the basket is new, one statement reads the state (checkout_context.py), and this module
   decides on one of four results: the stored answer again, a refusal, a payment by card, or an order that credit
   covers. The statement of step 1 places that order too, alone instead of in a batch.
3. If the state changes between reading and writing, it is read again, so that the answer describes the current state.

If credit does not cover the total, place_orders.sql writes nothing, so no voucher is spent without an order. If a
card processor is configured, open_payment.py opens a payment for the rest.

A *twin* is another request with the same idempotency key and body, such as the retry of a client.
"""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from billing.actor import Actor
from billing.errors import Busy, DomainError, IdempotencyMismatch
from billing.models import Customer
from billing.organization_roles import Act
from billing.use_cases.adopt_email import adopt_email
from billing.use_cases.find_after_lost_connection import find_or_remember, find_unknown
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import (
    AlreadySubscribed,
    OrderStale,
    PaymentOpen,
    PaymentProcessorNotConfigured,
    TooManyOrders,
    UnknownAddOn,
    UnknownApp,
    UnknownBundle,
    UnknownPlan,
)
from orders.models import Order
from orders.models.basket import Basket, CheckoutRequest
from orders.queries.orders import count_orders_today, find_open_order
from orders.stripe.gateway import is_configured
from orders.use_cases.checkout.batched_checkout import PlacedOrder, place_alone, try_batched_checkout
from orders.use_cases.checkout.checkout_context import CheckoutContext, load_checkout_context
from orders.use_cases.checkout.find_placed_order import find_placed_order
from orders.use_cases.count_outcomes import count_checkouts
from orders.use_cases.documents.vat_of_sale import vat_of_order
from orders.use_cases.payments.open_payment import OpenedPayment, open_payment
from orders.use_cases.payments.resolve_payment import resolve_open_payment, resume_request, resume_retired_basket
from promos.errors import PromoAlreadyRedeemed, PromoChanged, PromoProblem

__all__ = ["CheckoutRequest", "PlacedOrder", "place_order"]

# After this many attempts whose state changed before they wrote, the checkout answers that the service is busy.
MAX_ATTEMPTS = 3


@count_checkouts
def place_order(*, request: CheckoutRequest, by: Actor, now: datetime | None = None) -> PlacedOrder:
    """Buys the basket for one of the caller's organizations; credit pays first.

    Raises: OrganizationNotFound, UnknownPlan, UnknownApp, UnknownAddOn, UnknownBundle, BundleIncomplete,
    a PromoProblem, OrganizationSuspended, AlreadySubscribed, PaymentProcessorNotConfigured if credit does not cover
    the total, PaymentProcessorError, PaymentInProgress, IdempotencyMismatch, RequestInProgress, Busy. If it raises,
    voucher and credit are unchanged, except for OutcomeUnknown: the connection was lost, and the order was not found.
    The same request again finds it.
    Locks: Account, the code's advisory lock (shared), one counter last. Transaction: owns, one statement.
    Idempotency: under a key, the same request has one order and one answer for 24 hours; a refusal is not
    stored. A request waits for a twin that is still in flight.
    """
    moment = now or timezone.now()

    def find(placed_at: datetime) -> PlacedOrder | None:
        return find_placed_order(request, user_id=by.user_id, placed_at=placed_at)

    try:
        return _place(request, by=by, moment=moment)
    except (OperationalError, InterfaceError) as error:
        return find_or_remember(error, "checkout", request, by=by, tried_at=moment, find=find)
    except (AlreadySubscribed, PromoProblem):
        if request.idempotency_key:
            raise
        # The order of an earlier try, whose outcome was unknown, may be what refuses this one.
        placed = find_unknown("checkout", request, by=by, now=moment, find=find)
        if placed is None:
            raise
        return placed


def _place(request: CheckoutRequest, *, by: Actor, moment: datetime) -> PlacedOrder:
    placed = try_batched_checkout(request, by=by, now=moment)
    if placed is not None:
        return placed
    current = request
    for _ in range(MAX_ATTEMPTS):
        context = load_checkout_context(request=current, user_id=by.user_id, now=moment)
        current = context.request
        try:
            return _replay(context, by=by) or _attempt(context, by=by)
        except (OrderStale, PromoChanged):
            continue
        except PaymentOpen:
            resolved = resolve_open_payment(request=current, by=by, now=moment)
            if isinstance(resolved, OpenedPayment):
                return _answer(resolved, replayed=False)
            current = _without_spent_code(request, resolved)
        except DomainError as refusal:
            continued = _continue_after_refusal(refusal, context=context, by=by)
            if isinstance(continued, PlacedOrder):
                return continued
            current = continued
    raise Busy(retry_after=1)


def _continue_after_refusal(
    refusal: DomainError, *, context: CheckoutContext, by: Actor
) -> PlacedOrder | CheckoutRequest:
    """Returns the answer of a twin, or the open payment of the same order, or the request that continues it.

    Raises: the refusal itself, if nothing explains it.
    """
    request = context.request
    # If a twin caused the refusal, for example by redeeming the code first, its answer is this request's too.
    replay = _replay_of_twin(request, by=by, now=context.now)
    if replay is not None:
        return replay
    if isinstance(refusal, UnknownPlan | UnknownApp | UnknownAddOn | UnknownBundle) and context.has_open_payment:
        resumed = resume_retired_basket(request=request, by=by, now=context.now)
        if resumed is not None:
            return _answer(resumed, replayed=False)
    if isinstance(refusal, PromoAlreadyRedeemed) or (isinstance(refusal, PromoProblem) and context.has_open_payment):
        # If the organization's open payment redeemed this code, the request continues that payment, whatever has
        # become of the code since.
        open_order = find_open_order(organization_id=request.tenant_id)
        if open_order is not None and open_order.promo_code == request.promo_code:
            return replace(request, promo_code="")
    raise refusal


def _attempt(context: CheckoutContext, *, by: Actor) -> PlacedOrder:
    request = context.request
    context.check_organization()
    basket = context.price_basket()
    promo_code = context.find_promo_code(basket, by=by)
    context.check_not_suspended()
    if context.subscribed is not None and basket.matches(context.subscribed):
        raise AlreadySubscribed
    if context.has_open_payment:
        raise PaymentOpen
    _check_quota(basket, by=by, now=context.now)
    granted_minor = promo_code.credit_minor if promo_code else 0
    if context.credit_minor + granted_minor >= basket.total_minor:
        if by.email not in ("", context.email):
            adopt_email(Customer.objects.get(user_id=by.user_id), email=by.email)
        placed = place_alone(
            request,
            basket=basket,
            catalog=context.catalog,
            replaces=context.subscribed.id if context.subscribed else None,
            by=by,
            now=context.now,
        )
        if placed is None:
            raise OrderStale
        return placed
    if not is_configured():
        raise PaymentProcessorNotConfigured
    opened = open_payment(
        organization=authorize_act(organization_id=request.tenant_id, by=by, act=Act.PAY),
        request=request,
        basket=basket,
        catalog=context.catalog,
        replaces=context.subscribed.id if context.subscribed else None,
        promo_code=promo_code,
        by=by,
        now=context.now,
    )
    return _answer(opened, replayed=False)


def _check_quota(basket: Basket, *, by: Actor, now: datetime) -> None:
    """Refuses more free orders of a day than a customer may place. Requests that arrive at once may exceed it."""
    if basket.total_minor == 0:
        placed = count_orders_today(user_id=by.user_id, statuses=[Order.Status.COMPLETED], free=True, now=now)
        if placed >= settings.FREE_ORDERS_PER_DAY:
            raise TooManyOrders(retry_after=3600)


def _without_spent_code(request: CheckoutRequest, closed: Order | None) -> CheckoutRequest:
    """Drops the code from the request if the closed payment redeemed it: its credit is on the balance already."""
    spent = closed is not None and closed.status == Order.Status.EXPIRED and closed.promo_code == request.promo_code
    return replace(request, promo_code="") if spent else request


def _answer(opened: OpenedPayment, *, replayed: bool) -> PlacedOrder:
    return PlacedOrder(
        order_id=opened.order_id,
        balance_minor=opened.balance_minor,
        paid_by_card=True,
        session_url=opened.session_url,
        replayed=replayed,
        vat=vat_of_order(opened.order_id),
    )


def _replay_of_twin(request: CheckoutRequest, *, by: Actor, now: datetime) -> PlacedOrder | None:
    if not request.idempotency_key:
        return None
    return _replay(load_checkout_context(request=request, user_id=by.user_id, now=now), by=by)


def _replay(context: CheckoutContext, *, by: Actor) -> PlacedOrder | None:
    stored = context.answer
    if stored is None:
        return None
    if stored.request_hash != context.request.fingerprint:
        # An unknown item or another customer's organization is reported before the reuse of the key.
        context.check_organization()
        context.price_basket()
        raise IdempotencyMismatch
    if stored.balance_after_minor is None:
        return _answer(resume_request(order_id=stored.order_id, by=by, now=context.now), replayed=True)
    return PlacedOrder(
        order_id=stored.order_id,
        balance_minor=stored.balance_after_minor,
        paid_by_card=stored.paid_by_card,
        session_url=stored.session_url,
        replayed=True,
        vat=stored.vat,
    )
