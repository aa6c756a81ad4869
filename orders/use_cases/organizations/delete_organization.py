from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import SUPERADMIN, SYSTEM, Actor
from billing.errors import OrganizationNotFound
from billing.locks import lock_organization
from billing.models import Invoice, Organization, OrganizationMember, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit
from orders.use_cases.domains.remove_domain import remove_domains
from orders.use_cases.organizations.close_open_payment import close_open_payment, enqueue_closing
from orders.use_cases.organizations.provision_organization import record_tenant_event
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions

_WHY = "the organization was deleted"


def delete_organization(*, organization_id: UUID, by: Actor, reason: str = "") -> Organization:
    """Deletes an organization with all that hangs on it, and records `tenant.deleted`.

    Its open payment is closed, its subscription cancelled, its unpaid invoices are void, its domains are removed, and
    its invitations withdrawn. The row, paid invoices and every ledger entry stay. The owner, a superadmin and an
    event of the platform may delete it. A payment that Stripe does not close now is closed by a job.

    Raises: OrganizationNotFound for a stranger, OrganizationRoleTooLow for a member.
    Locks: Organization, Subscription, Domain. Transaction: owns, after the call to Stripe. Idempotency: a second call
    changes nothing.
    """
    if _find(organization_id, by=by).status != Organization.Status.DELETED:
        close_open_payment(organization_id=organization_id, why=_WHY, by=by)
    moment = timezone.now()
    with transaction.atomic():
        organization = _find(organization_id, by=by, lock=True)
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
        OrganizationMember.objects.filter(organization=organization, customer__isnull=True).delete()
        enqueue_closing(organization_id=organization.id, why=_WHY)
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


def _find(organization_id: UUID, *, by: Actor, lock: bool = False) -> Organization:
    if by.role not in (SUPERADMIN, SYSTEM):
        return authorize_act(organization_id=organization_id, by=by, act=Act.DELETE, lock=lock)
    if lock:
        return lock_organization(organization_id=organization_id)
    found = Organization.objects.select_related("customer").filter(id=organization_id).first()
    if found is None:
        raise OrganizationNotFound
    return found
