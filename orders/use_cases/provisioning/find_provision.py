"""Finds provisions for a caller. A completed order always has one: it is made here if the worker was not first."""

from uuid import UUID

from django.db.models import QuerySet

from billing.actor import Actor
from billing.errors import OrganizationNotFound
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import OrderNotFound, ProvisionNotFound
from orders.models import Order, Provision
from orders.use_cases.provisioning.ensure_provision import COMPLETE, ensure_provision


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
    try:
        authorize_act(organization_id=order.organization_id, by=by, act=Act.READ_PROVISIONING)
    except OrganizationNotFound:
        raise ProvisionNotFound from None
    return ensure_provision(order=order, in_worker=False)


def find_newest_provision(*, organization_id: UUID, by: Actor) -> Provision:
    """Returns the provision of the organization's newest completed order. Two queries for the owner.

    Raises: OrganizationNotFound, ProvisionNotFound. Transaction: owns.
    """
    authorize_act(organization_id=organization_id, by=by, act=Act.READ_PROVISIONING)
    paid = _purchases().filter(organization=organization_id, status__in=COMPLETE)
    order = paid.order_by("-completed_at", "-id").first()
    if order is None:
        raise ProvisionNotFound
    return ensure_provision(order=order, in_worker=False)


def _purchases() -> QuerySet[Order, Order]:
    return Order.objects.select_related("organization", "provision").filter(kind=Order.Kind.PURCHASE)
