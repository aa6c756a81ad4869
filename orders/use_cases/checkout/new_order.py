"""A new order as place_orders.sql reads it, whichever way it will be paid."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import simplejson
from django.conf import settings
from django.db import connection

from billing.actor import Actor
from billing.models import Subscription
from billing.models.idempotency import KEY_LIFE
from billing.models.keys import uuid7
from orders.models import Order
from orders.models.basket import Basket, CheckoutRequest
from orders.models.period import next_period
from orders.use_cases.checkout.month_price import month_lines
from promos.queries import normal_code

# Writes a UUID or an instant as text and a Decimal as the number it is.
to_json = partial(simplejson.dumps, use_decimal=True, default=str)

_WRITE_ORDER = """
SELECT orders_write_orders(ARRAY[jsonb_populate_record(NULL::orders_new_order, %s::jsonb)], %s)
"""


def order_parameters(
    request: CheckoutRequest, *, basket: Basket, by: Actor, now: datetime, replaces: UUID | None = None
) -> dict[str, Any]:
    """Returns the parameters of a checkout's order, paid by credit alone."""
    return {
        "id": uuid7(),
        "organization": request.tenant_id,
        "plan": basket.plan.item_id,
        "apps": basket.apps,
        "addons": basket.addons,
        "bundle": basket.bundle.as_json() if basket.bundle else None,
        "lines": [line.as_json() for line in basket.lines],
        "total": basket.total_minor,
        "credit_applied": basket.total_minor,
        "currency": settings.SOVEREIGN_CURRENCY,
        "replaces": replaces,
        **({"proration": uuid7()} if replaces and settings.PRORATION else {}),
        "period_end": next_period(anchor=now, end=now)[1],
        "code": normal_code(request.promo_code),
        "redemption": uuid7(),
        "entry": uuid7(),
        "key": request.idempotency_key or None,
        "hash": request.fingerprint or None,
        "key_expires_at": now + KEY_LIFE,
        "email": by.email,
        **_actor_parameters(by, now=now),
    }


def renewal_parameters(
    *,
    first: Order,
    subscription: Subscription,
    total_minor: int,
    credit_minor: int,
    period_start: datetime,
    by: Actor,
    now: datetime,
) -> dict[str, Any]:
    """Returns the parameters of a month's order: the first order's basket once more, at the month's price."""
    return {
        "id": uuid7(),
        "customer": subscription.customer_id,
        "organization": subscription.organization_id,
        "plan": subscription.plan_id,
        "apps": first.apps,
        "addons": first.addons,
        "bundle": first.bundle,
        "lines": [line.as_json() for line in month_lines(subscription, starts_at=period_start)],
        "total": total_minor,
        "credit_applied": credit_minor,
        "currency": subscription.currency,
        "renews": subscription.id,
        "period_start": period_start,
        **_actor_parameters(by, now=now),
    }


def _actor_parameters(by: Actor, *, now: datetime) -> dict[str, Any]:
    return {"user": by.user_id, "role": by.role, "channel": by.channel, "address": by.address, "at": now}


def write_order(parameters: dict[str, Any], *, status: Order.Status) -> Order:
    """Writes an order and its lines, and nothing else. Transaction: joins."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_ORDER, [to_json(parameters), status])
    return Order.objects.get(id=parameters["id"])
