from uuid import UUID

from django.db import transaction

from billing.locks import lock_organization
from billing.models import Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.models import Order, OutboxEvent

TENANT_TOPIC = "sme.tenant.events"
SOURCE = "qasima"


def provision_organization(*, order_id: UUID) -> Organization:
    """Makes the organization of a completed order active, and records `tenant.created`; a job of the worker.

    If its subscription has ended before the job runs, the organization is created suspended, and `tenant.created` is
    recorded nevertheless: its next order makes it active.

    Locks: Organization. Transaction: owns. Idempotency: once the organization is provisioned, nothing changes and no
    event is recorded again.
    """
    with transaction.atomic():
        order = Order.objects.get(id=order_id)
        organization = lock_organization(organization_id=order.organization_id)
        if organization.status != Organization.Status.PROVISIONING:
            return organization
        is_paid = Subscription.objects.filter(organization=organization).exclude(status__in=ENDED_STATUSES).exists()
        organization.status = Organization.Status.ACTIVE if is_paid else Organization.Status.SUSPENDED
        organization.save(update_fields=["status"])
        announce_creation(organization)
        return organization


def announce_creation(organization: Organization) -> None:
    """Records `tenant.created`, unless it is recorded. The caller holds the organization's lock."""
    if not OutboxEvent.objects.filter(type="tenant.created", tenant_id=organization.id).exists():
        record_tenant_event("tenant.created", organization)


def record_tenant_event(type_: str, organization: Organization) -> OutboxEvent:
    """Records an event about an organization for other systems, in the transaction of the change."""
    return OutboxEvent.objects.create(
        type=type_,
        topic=TENANT_TOPIC,
        source=SOURCE,
        tenant_id=organization.id,
        data={
            "id": str(organization.id),
            "slug": organization.slug,
            "subdomain": organization.slug,
            "name": organization.name,
            "customer_id": organization.customer.user_id,
            "plan_id": str(organization.plan_id) if organization.plan_id else None,
            "apps": organization.apps,
            "addons": organization.addons,
            "status": organization.status,
        },
    )
