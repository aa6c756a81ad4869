"""Finds provisions for a caller. A completed order always has one: it is made here if the worker was not first."""

import json
from typing import cast
from uuid import UUID

from django.db.models import QuerySet

from billing.actor import Actor
from billing.database.shared_read import Read, Row, SharedRead
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import OrderNotFound, ProvisionNotFound, refuse_strangers
from orders.models import Order, Provision
from orders.use_cases.provisioning.ensure_provision import COMPLETE, ensure_provision

_COLUMNS = (
    "order_id",
    "organization_id",
    "plan_id",
    "apps",
    "subdomain",
    "status",
    "steps",
    "created_at",
    "updated_at",
)
_NEWEST_STATEMENT = f"""
SELECT asked.position, {", ".join(f"p.{name}" for name in _COLUMNS)}
  FROM unnest(ARRAY(SELECT unnest(%s::uuid[])), %s::text[])
       WITH ORDINALITY AS asked (organization_id, user_id, position)
  JOIN billing_organization o ON o.id = asked.organization_id AND o.status <> 'deleted'
  JOIN billing_customer c ON c.id = o.customer_id AND c.user_id = asked.user_id
 CROSS JOIN LATERAL (
         SELECT d.id FROM orders_order d
          WHERE d.organization_id = o.id AND d.kind = 'purchase' AND d.status IN ('completed', 'refunded')
          ORDER BY d.completed_at DESC, d.id DESC LIMIT 1) AS newest
  JOIN orders_provision p ON p.order_id = newest.id
"""  # noqa: S608 - the names of our own columns


def start_provision(*, organization_id: UUID, order_id: UUID, by: Actor) -> Provision:
    """Returns the provision of an organization's order.

    Raises: OrganizationNotFound, OrganizationRoleTooLow, OrderNotFound, OrderNotComplete. Transaction: owns.
    Idempotency: by the order.
    """
    authorize_act(organization_id=organization_id, by=by, act=Act.START_PROVISIONING)
    order = _purchases().filter(id=order_id, organization=organization_id).first()
    if order is None:
        raise OrderNotFound
    return ensure_provision(order=order, in_worker=False)


def find_provision(*, provision_id: UUID, by: Actor) -> Provision:
    """Returns a provision, whose id is its order's.

    Raises: ProvisionNotFound, also for another customer's. Transaction: owns.
    """
    order = _purchases().filter(id=provision_id, status__in=COMPLETE).first()
    if order is None:
        raise ProvisionNotFound
    with refuse_strangers(ProvisionNotFound):
        authorize_act(organization_id=order.organization_id, by=by, act=Act.READ_PROVISIONING)
    return ensure_provision(order=order, in_worker=False)


def find_newest_provision(*, organization_id: UUID, by: Actor) -> Read[Provision]:
    """Returns the provision of the organization's newest completed order. One query for the owner.

    Raises: OrganizationNotFound, ProvisionNotFound. Transaction: owns.
    """
    found = _NEWEST.read(organization_id, by.user_id)
    if found.value:
        return cast("Read[Provision]", found)
    authorize_act(organization_id=organization_id, by=by, act=Act.READ_PROVISIONING)
    paid = _purchases().filter(organization=organization_id, status__in=COMPLETE)
    order = paid.order_by("-completed_at", "-id").first()
    if order is None:
        raise ProvisionNotFound
    return Read(ensure_provision(order=order, in_worker=False))


def _purchases() -> QuerySet[Order, Order]:
    return Order.objects.select_related("organization", "provision").filter(kind=Order.Kind.PURCHASE)


def _make_newest(rows: tuple[Row, ...]) -> Provision | None:
    """Returns the newest provision if it exists and the caller owns the organization."""
    for row in rows:
        values = dict(zip(_COLUMNS, row, strict=True))
        return Provision(**values | {name: json.loads(values[name]) for name in ("apps", "steps")})
    return None


# Clients poll it.
_NEWEST = SharedRead(_NEWEST_STATEMENT, _make_newest)
