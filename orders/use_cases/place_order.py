"""A checkout. Decided here, written by one statement: see place_order.sql for the transaction.

0. A basket that was priced before is tried at once: one statement (place_together.sql) makes sure that the catalog is
   the one it was priced by, and does step 2 for everybody in this process who asks at the same moment with the same
   code. Whom it does not serve, for whatever reason, begins with step 1; so does a basket that is new.
1. One statement reads all that needs no lock (look_at_checkout.py); the basket is priced and checked. Nothing is
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
from orders.gateway import is_configured
from orders.models import Order
from orders.models.basket import Basket, Request
from orders.queries import find_open_order, find_organization
from orders.use_cases.look_at_checkout import Look, look_at_checkout
from orders.use_cases.open_payment import Opened, open_payment
from orders.use_cases.place_at_once import Placed, exact_json, place_at_once, told_by_t1, written
from orders.use_cases.resolve_payment import resolve_open_payment, resume_request
from promos.errors import PromoAlreadyRedeemed, PromoChanged
from promos.models import PromoCode

__all__ = ["Placed", "Request", "place_order"]

# How often a checkout looks again after the state moved under it, before it says that it is busy.
_LOOKS = 3


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
    at_once = place_at_once(request, by=by, now=moment)
    if at_once is not None:
        return at_once
    asked = request
    for _ in range(_LOOKS):
        look = look_at_checkout(request=asked, user_id=by.user_id, now=moment)
        try:
            return _replay(look, by=by) or _attempt(look, by=by)
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
    return _replay(look_at_checkout(request=request, user_id=by.user_id, now=now), by=by)


def _replay(look: Look, *, by: Actor) -> Placed | None:
    stored = look.answer
    if stored is None:
        return None
    if stored.request_hash != look.request.fingerprint:
        # What is not there, or is not theirs, comes before the key that was used for something else.
        look.customer_id()
        look.basket()
        raise IdempotencyMismatch
    if stored.balance_after_minor is None:
        return _placed(resume_request(order_id=stored.order_id, by=by, now=look.now), replayed=True)
    return Placed(
        order_id=stored.order_id,
        balance_minor=stored.balance_after_minor,
        session_url=stored.session_url,
        replayed=True,
    )


def _attempt(look: Look, *, by: Actor) -> Placed:
    request = look.request
    customer_id, basket, promo_code = look.customer_id(), look.basket(), look.promo_code()
    if look.subscribed is not None and basket.is_what(look.subscribed):
        raise AlreadySubscribed
    try:
        return _write(look, basket=basket, customer_id=customer_id, promo_code=promo_code, by=by)
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
        now=look.now,
    )
    return _placed(opened, replayed=False)


def _write(look: Look, *, basket: Basket, customer_id: int, promo_code: PromoCode | None, by: Actor) -> Placed:
    asked = written(look.request, basket=basket, subdomain=look.subdomain, by=by, now=look.now)
    params = {
        **asked,
        **{name: Jsonb(asked[name], dumps=exact_json) for name in _DOCUMENTS},
        "customer": customer_id,
        "replaces": look.subscribed.id if look.subscribed else None,
        "promo": promo_code.id if promo_code else None,
        "promo_text": promo_code.code if promo_code else None,
    }
    with told_by_t1(key=look.request.idempotency_key), connection.cursor() as cursor:
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
