from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import SUPERADMIN, Actor
from billing.errors import OrganizationNotFound
from billing.models import Invoice, Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from billing.use_cases.record_audit import record_audit
from orders.use_cases.domains.remove_domain import remove_domains
from orders.use_cases.organizations.provision_organization import record_tenant_event
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions


def delete_organization(*, organization_id: UUID, by: Actor, reason: str = "") -> Organization:
    """Deletes an organization: cancels its subscription, voids its unpaid invoices, and records `tenant.deleted`.

    Its domains are removed. The row, paid invoices and every ledger entry stay. The owner and a superadmin may delete
    it.

    Raises: OrganizationNotFound, also for another customer's. Locks: Organization, Subscription, Domain.
    Transaction: owns.
    Idempotency: a second call changes nothing.
    """
    moment = timezone.now()
    with transaction.atomic():
        # Races with a checkout for the organization, which updates the same row.
        organization = (
            Organization.objects.select_for_update(no_key=True, of=("self",))
            .select_related("customer")
            .filter(id=organization_id)
            .first()
        )
        if organization is None or (by.role != SUPERADMIN and organization.customer.user_id != by.user_id):
            raise OrganizationNotFound
        if organization.status == Organization.Status.DELETED:
            return organization
        before = organization.status
        organization.status, organization.deleted_at = Organization.Status.DELETED, moment
        organization.save(update_fields=["status", "deleted_at"])
        end_subscriptions(
            Subscription.objects.filter(organization=organization).exclude(status__in=ENDED_STATUSES), now=moment
        )
        Invoice.objects.filter(
            organization=organization, status__in=[Invoice.Status.DRAFT, Invoice.Status.OPEN]
        ).update(status=Invoice.Status.VOID)
        remove_domains(organization, by=by)
        record_tenant_event("tenant.deleted", organization)
        record_audit(
            action="organization.deleted",
            object_type="organization",
            object_id=str(organization.id),
            by=by,
            changes={"status": [before, organization.status]},
            reason=reason,
        )
        return organization
