"""Places orders that credit covers: a batch of requests that arrive together in one process, or one request alone.

Both call orders_place_orders (place_orders.sql), which places the orders that it can and returns nothing for the
others. place_order.py finds out why an order was not placed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from billing.actor import Actor
from billing.database.group_commit import GroupCommit
from billing.errors import DomainError, translate_lock_errors, translate_violations
from orders.errors import OrderStale
from orders.models.basket import Basket, CheckoutRequest
from orders.use_cases.checkout.checkout_context import priced_before
from orders.use_cases.checkout.new_order import order_parameters, to_json
from orders.use_cases.documents.vat import IncludedVat
from orders.use_cases.documents.vat_of_sale import vat_of_facts
from promos.use_cases.redeem_code import REFUSALS

# Where another transaction changed the state after the check, the checkout starts again.
_REFUSALS: dict[str, type[DomainError]] = {
    **REFUSALS,
    "billing_subscription_one_live_per_organization": OrderStale,
    "orders_order_one_open_per_organization": OrderStale,
    "billing_idempotencykey_once": OrderStale,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order that credit has paid, or one that a card pays at `session_url`; the customer's balance after it.

    `vat` is what the total includes; None where no rate of VAT applies.
    """

    order_id: UUID
    balance_minor: int
    replayed: bool = False
    paid_by_card: bool = False
    session_url: str = ""
    vat: IncludedVat | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as JSON text for place_orders.sql. Each request's thread writes its own, before the batch starts."""

    id: UUID
    key: str | None
    text: str

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> "NewOrder":
        return cls(parameters["id"], parameters.get("key"), to_json(parameters))


def try_batched_checkout(request: CheckoutRequest, *, by: Actor, now: datetime) -> PlacedOrder | None:
    """Places the order in a batch, without a query beforehand, if this process has priced the basket before.

    Returns None if it placed no order; it does not say why. A free order has a quota, which the other way checks.

    Raises: OperationalError where the connection was lost and the outcome is unknown.
    """
    priced = priced_before(request, now=now)
    if priced is None or priced.basket.total_minor == 0 or connection.in_atomic_block:
        return None
    parameters = order_parameters(request, basket=priced.basket, by=by, now=now)
    return _group.submit(NewOrder.of({**parameters, "catalog": priced.catalog}))


def place_alone(
    request: CheckoutRequest, *, basket: Basket, catalog: UUID, replaces: UUID | None, by: Actor, now: datetime
) -> PlacedOrder | None:
    """Places one order outside a batch, and waits for locks. Returns None if the state changed and nothing was done.

    Raises: PromoExhausted; RequestInProgress, or Busy without a key, if waiting for a lock timed out.
    """
    parameters = order_parameters(request, basket=basket, by=by, now=now, replaces=replaces)
    order = NewOrder.of({**parameters, "catalog": catalog})
    try:
        with translate_lock_errors(key=order.key, on_deadlock=OrderStale), translate_violations(_REFUSALS):
            [placed] = place_batch([order], wait=True)
    except OrderStale:
        return None
    return placed


def place_batch(orders: Sequence[NewOrder], *, wait: bool = False) -> list[PlacedOrder | None]:
    """Places those of these orders that it can, in one statement and one transaction. Returns None for the others."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, balance, orders_vat_facts(id, %s) FROM orders_place_orders(%s::jsonb, %s)",
            [settings.SOVEREIGN_TIME_ZONE, f"[{','.join(order.text for order in orders)}]", wait],
        )
        placed = {
            order_id: PlacedOrder(order_id=order_id, balance_minor=balance, vat=vat_of_facts(facts))
            for order_id, balance, facts in cursor
        }
    return [placed.get(order.id) for order in orders]


_group: GroupCommit[NewOrder, PlacedOrder] = GroupCommit(place_batch)
