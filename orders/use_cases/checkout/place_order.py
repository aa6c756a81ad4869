"""A checkout. Decided here, written by one statement: see place_order.sql for the transaction.

0. A basket that was priced before is tried at once: one statement (place_together.sql) makes sure that the catalog is
   the one it was priced by, and does step 2 for everybody in this process who asks at the same moment with the same
   code. Whom it does not serve, for whatever reason, begins with step 1; so does a basket that is new.
1. One statement reads all that needs no lock (load_checkout_context.py); the basket is priced and checked. Nothing is
   written.
2. One statement writes order, redemption, ledger entries, subscription, invoice, event and job, claims the
   code's place last and commits; or the database refuses it by a constraint's name and nothing was.
3. What changed between 1 and 2 is looked at again, so that the answer names the state that really stands.

Where credit does not cover the total the statement is refused as a whole: a voucher cannot be spent by an order
that is not made. With a card processor configured the rest is then asked of it: see open_payment.py.
"""

from dataclasses import replace
from datetime import datetime

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from billing.actor import Actor
from billing.errors import Busy, DomainError, InsufficientCredit
from orders.errors import (
    AlreadySubscribed,
    IdempotencyMismatch,
    OrderStale,
    PaymentOpen,
    PaymentProcessorNotConfigured,
)
from orders.models import Order
from orders.models.basket import Basket, Request
from orders.queries import find_open_order, find_organization
from orders.stripe.gateway import is_configured
from orders.use_cases.checkout.checkout_context import CheckoutContext, load_checkout_context
from orders.use_cases.checkout.try_batched_checkout import (
    Placed,
    exact_json,
    translate_database_errors,
    try_batched_checkout,
    written,
)
from orders.use_cases.payments.open_payment import Opened, open_payment
from orders.use_cases.payments.resolve_payment import resolve_open_payment, resume_request
from promos.errors import PromoAlreadyRedeemed, PromoChanged
from promos.models import PromoCode

__all__ = ["Placed", "Request", "place_order"]

# How often a checkout looks again after the state moved under it, before it says that it is busy.
_CONTEXTS = 3


def place_order(*, request: Request, by: Actor, now: datetime | None = None) -> Placed:
    """Buys the basket for one of the caller's organizations, credit first.

    Raises: OrganizationNotFound, UnknownPlan, UnknownApp, UnknownAddOn, a PromoProblem, AlreadySubscribed,
    PaymentProcessorNotConfigured where credit does not cover the total, PaymentProcessorError, PaymentInProgress,
    IdempotencyMismatch, RequestInProgress, Busy. Whatever is raised, voucher and credit are as they were.
    Locks: Account, the code's advisory lock (shared), one counter last. Transaction: owns, one statement.
    Idempotency: under a key, the same request has one order and one answer for 24 hours; a refusal is not
    stored. A twin that is still in flight is waited for.
    """
    moment = now or timezone.now()
    at_once = try_batched_checkout(request, by=by, now=moment)
    if at_once is not None:
        return at_once
    asked = request
    for _ in range(_CONTEXTS):
        context = load_checkout_context(request=asked, user_id=by.user_id, now=moment)
        try:
            return _replay(context, by=by) or _attempt(context, by=by)
        except (OrderStale, PromoChanged):
            continue
        except PaymentOpen:
            resolved = resolve_open_payment(request=asked, by=by, now=moment)
            if isinstance(resolved, Opened):
                return _placed(resolved, replayed=False)
            asked = _without_spent_code(request, resolved)
        except DomainError as refusal:
            # A twin may have done what now stands in the way: then its answer is the answer.
            replay = _replay_of_twin(asked, by=by, now=moment)
            if replay is not None:
                return replay
            if not isinstance(refusal, PromoAlreadyRedeemed):
                raise
            # The open payment may have redeemed this very code: then it is that payment that is asked about.
            open_order = find_open_order(organization_id=request.tenant_id)
            if open_order is None or open_order.promo_code != asked.promo_code:
                raise
            asked = replace(request, promo_code="")
    raise Busy(retry_after=1)


def _without_spent_code(request: Request, closed: Order | None) -> Request:
    """A code that the closed payment redeemed is on the balance already."""
    spent = closed is not None and closed.status == Order.Status.EXPIRED and closed.promo_code == request.promo_code
    return replace(request, promo_code="") if spent else request


def _placed(opened: Opened, *, replayed: bool) -> Placed:
    return Placed(
        order_id=opened.order_id,
        balance_minor=opened.balance_minor,
        session_url=opened.session_url,
        replayed=replayed,
    )


def _replay_of_twin(request: Request, *, by: Actor, now: datetime) -> Placed | None:
    if not request.idempotency_key:
        return None
    return _replay(load_checkout_context(request=request, user_id=by.user_id, now=now), by=by)


def _replay(context: CheckoutContext, *, by: Actor) -> Placed | None:
    stored = context.answer
    if stored is None:
        return None
    if stored.request_hash != context.request.fingerprint:
        # What is not there, or is not theirs, comes before the key that was used for something else.
        context.customer_id()
        context.basket()
        raise IdempotencyMismatch
    if stored.balance_after_minor is None:
        return _placed(resume_request(order_id=stored.order_id, by=by, now=context.now), replayed=True)
    return Placed(
        order_id=stored.order_id,
        balance_minor=stored.balance_after_minor,
        session_url=stored.session_url,
        replayed=True,
    )


def _attempt(context: CheckoutContext, *, by: Actor) -> Placed:
    request = context.request
    customer_id, basket, promo_code = context.customer_id(), context.basket(), context.promo_code()
    if context.subscribed is not None and basket.is_what(context.subscribed):
        raise AlreadySubscribed
    try:
        return _write(context, basket=basket, customer_id=customer_id, promo_code=promo_code, by=by)
    except InsufficientCredit as error:
        if not is_configured():
            raise PaymentProcessorNotConfigured from error
    opened = open_payment(
        organization=find_organization(organization_id=request.tenant_id, user_id=by.user_id),
        basket=basket,
        promo_code=promo_code,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        by=by,
        now=context.now,
    )
    return _placed(opened, replayed=False)


def _write(
    context: CheckoutContext, *, basket: Basket, customer_id: int, promo_code: PromoCode | None, by: Actor
) -> Placed:
    asked = written(context.request, basket=basket, subdomain=context.subdomain, by=by, now=context.now)
    params = {
        **asked,
        **{name: Jsonb(asked[name], dumps=exact_json) for name in _DOCUMENTS},
        "customer": customer_id,
        "replaces": context.subscribed.id if context.subscribed else None,
        "promo": promo_code.id if promo_code else None,
        "promo_text": promo_code.code if promo_code else None,
    }
    with translate_database_errors(key=context.request.idempotency_key), connection.cursor() as cursor:
        cursor.execute(_PLACE_ORDER, params)
        order_id, balance_minor, replayed = cursor.fetchone()
    return Placed(order_id=order_id, balance_minor=balance_minor, replayed=replayed)


_DOCUMENTS = ("apps", "addons", "addon_ids", "lines", "event")
_PLACE_ORDER = """
SELECT placed_order, balance, replayed FROM orders_place_order(
  %(customer)s::bigint, %(organization)s::uuid, %(replaces)s::uuid, %(plan)s::uuid, %(apps)s, %(addons)s,
  %(addon_ids)s, %(lines)s, %(total)s::bigint, %(currency)s::text, %(promo)s::uuid, %(promo_text)s::text,
  %(key)s::text, %(hash)s::text, %(event)s,
  ROW(%(actor)s, %(role)s, %(channel)s, %(address)s)::billing_actor, %(now)s::timestamptz)
"""
