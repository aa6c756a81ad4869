"""Checkouts tried at once, without a look beforehand; those of the same moment together.

For a basket that was priced before: the statement makes sure that the catalog is still the one it was priced by
(place_together.sql). Whom it does not serve is told nothing: place_order.py looks, and says what stands against it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import simplejson
from django.db import OperationalError, connection
from psycopg import errors as postgres

from billing.actor import Actor
from billing.combining import Combiner
from billing.errors import Busy, DomainError, InsufficientCredit, translate_violations
from orders.errors import IdempotencyMismatch, OrderStale, PaymentOpen, RequestInProgress
from orders.models import Order
from orders.models.basket import Basket, Request
from orders.use_cases.checkout.checkout_context import Priced, priced_before
from orders.use_cases.checkout.describe_order import order_placed_data
from promos.queries import normal_code
from promos.use_cases.redeem_code import REFUSALS as PROMO_REFUSALS

# Constraint names of T1 → the refusal that each stands for.
REFUSALS: dict[str, type[DomainError]] = {
    **PROMO_REFUSALS,
    "orders_place_order_stale": OrderStale,
    "billing_subscription_one_live_per_organization": OrderStale,
    "orders_idempotencykey_same_request": IdempotencyMismatch,
    "orders_idempotencykey_answered": OrderStale,
    "orders_order_one_open_per_organization": PaymentOpen,
    "billing_account_balance_covers_held": InsufficientCredit,
}

exact_json = partial(simplejson.dumps, use_decimal=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A completed order, or one that waits for a payment at `session_url`; the customer's balance after it."""

    order_id: UUID
    balance_minor: int
    replayed: bool
    session_url: str = ""


def try_batched_checkout(request: Request, *, by: Actor, now: datetime) -> Placed | None:
    """Places the order without a look beforehand, together with others who ask at the same moment.

    None where nothing was done: what stands against it a look says.
    """
    priced = priced_before(request)
    if priced is None or connection.in_atomic_block:
        return None
    asked = _asked(request, priced=priced, by=by, now=now)
    return _placing.do((asked.code, priced.catalog), asked, lambda placed: placed)


@dataclass(frozen=True, slots=True)
class _AtOnce:
    """An order as it is sent with others': `text` is written by who asks, while he does not keep them waiting."""

    catalog: UUID
    code: str
    key: str | None
    text: str


def _asked(request: Request, *, priced: Priced, by: Actor, now: datetime) -> _AtOnce:
    order = written(request, basket=priced.basket, subdomain="", by=by, now=now)
    return _AtOnce(
        catalog=priced.catalog,
        code=normal_code(request.promo_code),
        key=order["key"],
        text=exact_json(order, default=str),
    )


def _together(asked: Sequence[_AtOnce]) -> list[Placed | None]:
    """Of one catalog, and of one code or all of none."""
    placed: list[Placed | None] = [None] * len(asked)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, placed_order, balance, replayed"
            " FROM orders_place_together(%s::uuid, %s::text, %s::jsonb)",
            [asked[0].catalog, asked[0].code, f"[{','.join(each.text for each in asked)}]"],
        )
        for number, order_id, balance_minor, replayed in cursor.fetchall():
            placed[number - 1] = Placed(order_id=order_id, balance_minor=balance_minor, replayed=replayed)
    return placed


def _alone(asked: _AtOnce) -> Placed | None:
    try:
        with translate_database_errors(key=asked.key):
            [placed] = _together([asked])
    except (RequestInProgress, Busy):
        raise
    except DomainError:
        return None
    return placed


@contextmanager
def translate_database_errors(*, key: str | None) -> Iterator[None]:
    """What the database says of one order, in our words.

    Raises: those of `REFUSALS`; RequestInProgress, or Busy without a key, where a lock was waited for in vain.
    """
    try:
        with translate_violations(REFUSALS):
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable):
            raise (RequestInProgress if key else Busy)(retry_after=1) from error
        if isinstance(error.__cause__, postgres.DeadlockDetected):
            raise OrderStale from error
        raise


_placing = Combiner(alone=_alone, together=_together)


def written(request: Request, *, basket: Basket, subdomain: str, by: Actor, now: datetime) -> dict[str, Any]:
    """What is written of an order, by the names of place_order.sql and place_together.sql."""
    event = order_placed_data(
        basket=basket,
        user_id=by.user_id,
        tenant_id=request.tenant_id,
        subdomain=subdomain,
        status=Order.Status.COMPLETED,
    )
    return {
        "organization": request.tenant_id,
        "plan": basket.plan.item_id,
        "apps": basket.apps,
        "addons": basket.addons,
        "addon_ids": basket.addon_ids,
        "lines": [line.as_json() for line in basket.lines],
        "total": basket.total_minor,
        "currency": event["currency"],
        "key": request.idempotency_key or None,
        "hash": request.fingerprint or None,
        "event": event,
        "actor": by.user_id,
        "role": by.role,
        "channel": by.channel,
        "address": by.address,
        "now": now,
    }
