from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.errors import StatusNotAllowed
from billing.language import say
from billing.locks import lock_organization
from billing.models import Organization
from billing.use_cases.record_audit import record_audit
from orders.queries.organizations import find_organization
from orders.use_cases.organizations.close_open_payment import close_open_payment, enqueue_closing
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.provision_organization import announce_creation

_WHY = "staff suspended the organization"


def change_status(*, organization_id: UUID, status: Organization.Status, by: Actor, reason: str = "") -> Organization:
    """Changes an organization's status, as an act of staff.

    An organization that gets active or suspended before it was provisioned is announced as created. Suspending closes
    an open payment, and leaves the subscription. Deleting does all that `delete_organization` does.

    Raises: OrganizationNotFound, also for a deleted one; StatusNotAllowed where the status cannot follow the current
    one. Locks: Organization. Transaction: owns, after a call to Stripe. Idempotency: the same status again changes
    nothing.
    """
    _check_transition(find_organization(organization_id=organization_id), status)
    if status == Organization.Status.DELETED:
        return delete_organization(organization_id=organization_id, by=by, reason=reason)
    if status == Organization.Status.SUSPENDED:
        close_open_payment(organization_id=organization_id, why=_WHY, by=by)
    with transaction.atomic():
        lock_organization(organization_id=organization_id)
        organization = find_organization(organization_id=organization_id)
        before, suspends = organization.status, status == Organization.Status.SUSPENDED
        if before == status and organization.suspended_by_staff == suspends:
            return organization
        _check_transition(organization, status)
        organization.status, organization.suspended_by_staff = status, suspends
        organization.save(update_fields=["status", "suspended_by_staff"])
        if status != Organization.Status.PROVISIONING:
            announce_creation(organization)
        if status == Organization.Status.SUSPENDED:
            enqueue_closing(organization_id=organization.id, why=_WHY)
        record_audit(
            action="organization.status_changed",
            object_type="organization",
            object_id=str(organization.pk),
            by=by,
            changes={"status": [before, status.value]},
            reason=reason,
        )
        return organization


def _check_transition(organization: Organization, status: Organization.Status) -> None:
    before = Organization.Status(organization.status)
    if status != before and status not in Organization.TRANSITIONS[before]:
        states = {"before": say(before.value), "after": say(status.value)}
        raise StatusNotAllowed(say("an organization that is %(before)s cannot become %(after)s", **states))
