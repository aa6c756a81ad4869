"""A checkout. Decided here, written by one statement: see place_order.sql for the transaction.

1. Price the basket and check all that needs no lock. Nothing is written.
2. One statement writes order, redemption, ledger entries, subscription, invoice, event and job, claims the
   code's place last and commits; or the database refuses it by a constraint's name and nothing was.
3. What changed between 1 and 2 is looked at again, so that the answer names the state that really stands.

Where credit does not cover the total the statement is refused as a whole: a voucher cannot be spent by an order
that is not made.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import simplejson
from django.db import OperationalError, connection
from django.utils import timezone
from psycopg import errors as postgres
from psycopg.types.json import Jsonb

from billing.actor import Actor
from billing.errors import Busy, DomainError, InsufficientCredit, refused_by
from orders.errors import (
    AlreadySubscribed,
    IdempotencyMismatch,
    OrderStale,
    PaymentProcessorNotConfigured,
    RequestInProgress,
)
from orders.models import Order
from orders.models.basket import Basket
from orders.queries import find_answer, find_organization, live_subscription, load_basket
from orders.use_cases.describe_order import order_placed_data
from promos.errors import PromoChanged
from promos.models import PromoCode
from promos.use_cases.check_eligibility import find_redeemable
from promos.use_cases.redeem_code import REFUSALS as PROMO_REFUSALS

_REFUSALS: dict[str, type[DomainError]] = {
    **PROMO_REFUSALS,
    "orders_place_order_stale": OrderStale,
    "billing_subscription_one_live_per_organization": OrderStale,
    "orders_idempotencykey_same_request": IdempotencyMismatch,
    "billing_account_balance_covers_held": InsufficientCredit,
}

_exact_json = partial(simplejson.dumps, use_decimal=True)

# How often a checkout looks again after the state moved under it, before it says that it is busy.
_LOOKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a customer asks for. References are catalog ids or slugs; `fingerprint` is the body's hash."""

    tenant_id: UUID
    plan: str
    apps: tuple[str, ...] = ()
    addons: tuple[str, ...] = ()
    promo_code: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A completed order; `balance_minor` is the customer's balance after it."""

    order_id: UUID
    balance_minor: int
    replayed: bool


def place_order(*, request: Request, by: Actor, now: datetime | None = None) -> Placed:
    """Buys the basket for one of the caller's organizations, credit first.

    Raises: OrganizationNotFound, UnknownPlan, UnknownApp, UnknownAddOn, a PromoProblem, AlreadySubscribed,
    PaymentProcessorNotConfigured where credit does not cover the total, IdempotencyMismatch, RequestInProgress,
    Busy. Whatever is raised, nothing has changed.
    Locks: Account, the code's advisory lock (shared), one counter last. Transaction: owns, one statement.
    Idempotency: under a key, the same request has one order and one answer for 24 hours; a refusal is not
    stored. A twin that is still in flight is waited for.
    """
    moment = now or timezone.now()
    for _ in range(_LOOKS):
        try:
            return _replay(request, by=by, now=moment) or _attempt(request, by=by, now=moment)
        except (OrderStale, PromoChanged):
            continue
        except DomainError:
            # A twin may have done what now stands in the way: then its answer is the answer.
            replay = _replay(request, by=by, now=moment)
            if replay is None:
                raise
            return replay
    raise Busy(retry_after=1)


def _replay(request: Request, *, by: Actor, now: datetime) -> Placed | None:
    if not request.idempotency_key:
        return None
    stored = find_answer(user_id=by.user_id, key=request.idempotency_key, now=now)
    if stored is None:
        return None
    if stored.request_hash != request.fingerprint:
        raise IdempotencyMismatch
    return Placed(order_id=stored.order_id, balance_minor=stored.balance_after_minor, replayed=True)


def _attempt(request: Request, *, by: Actor, now: datetime) -> Placed:
    organization = find_organization(organization_id=request.tenant_id, user_id=by.user_id)
    basket = load_basket(plan=request.plan, apps=request.apps, addons=request.addons)
    promo_code = None
    if request.promo_code:
        promo_code = find_redeemable(code=request.promo_code, customer_id=organization.customer_id, now=now)
    subscribed = live_subscription(organization_id=organization.id)
    if subscribed is not None and basket.is_what(subscribed):
        raise AlreadySubscribed
    try:
        return _write(
            request,
            basket=basket,
            customer_id=organization.customer_id,
            subdomain=organization.slug,
            replaces=subscribed.id if subscribed else None,
            promo_code=promo_code,
            by=by,
            now=now,
        )
    except InsufficientCredit as error:
        raise PaymentProcessorNotConfigured from error


def _write(
    request: Request,
    *,
    basket: Basket,
    customer_id: int,
    subdomain: str,
    replaces: UUID | None,
    promo_code: PromoCode | None,
    by: Actor,
    now: datetime,
) -> Placed:
    event = order_placed_data(
        basket=basket,
        user_id=by.user_id,
        tenant_id=request.tenant_id,
        subdomain=subdomain,
        status=Order.Status.COMPLETED,
    )
    params = {
        "customer": customer_id,
        "organization": request.tenant_id,
        "replaces": replaces,
        "plan": basket.plan.item_id,
        "apps": Jsonb(basket.apps),
        "addons": Jsonb(basket.addons),
        "addon_ids": Jsonb(basket.addon_ids),
        "lines": Jsonb([line.as_json() for line in basket.lines]),
        "total": basket.total_minor,
        "currency": event["currency"],
        "promo": promo_code.id if promo_code else None,
        "promo_text": promo_code.code if promo_code else None,
        "key": request.idempotency_key or None,
        "hash": request.fingerprint or None,
        "event": Jsonb(event, dumps=_exact_json),
        "actor": by.user_id,
        "role": by.role,
        "channel": by.channel,
        "address": by.address,
        "now": now,
    }
    try:
        with refused_by(_REFUSALS), connection.cursor() as cursor:
            cursor.execute(_PLACE_ORDER, params)
            order_id, balance_minor, replayed = cursor.fetchone()
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable):
            raise (RequestInProgress if request.idempotency_key else Busy)(retry_after=1) from error
        if isinstance(error.__cause__, postgres.DeadlockDetected):
            raise OrderStale from error
        raise
    return Placed(order_id=order_id, balance_minor=balance_minor, replayed=replayed)


_PLACE_ORDER = """
SELECT placed_order, balance, replayed FROM orders_place_order(
  %(customer)s::bigint, %(organization)s::uuid, %(replaces)s::uuid, %(plan)s::uuid, %(apps)s, %(addons)s,
  %(addon_ids)s, %(lines)s, %(total)s::bigint, %(currency)s::text, %(promo)s::uuid, %(promo_text)s::text,
  %(key)s::text, %(hash)s::text, %(event)s,
  ROW(%(actor)s, %(role)s, %(channel)s, %(address)s)::billing_actor, %(now)s::timestamptz)
"""
