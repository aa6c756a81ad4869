from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.models import Organization
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit


def rename_organization(*, organization_id: UUID, name: str | None, by: Actor) -> Organization:
    """Gives an organization another name; without a name nothing changes. Its slug stays.

    Raises: OrganizationNotFound, OrganizationRoleTooLow. Locks: Organization. Transaction: owns.
    Idempotency: the same name again changes nothing.
    """
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.RENAME, lock=True)
        if name is None or name == organization.name:
            return organization
        before, organization.name = organization.name, name
        organization.save(update_fields=["name"])
        record_audit(
            action="organization.renamed",
            object_type="organization",
            object_id=str(organization.pk),
            by=by,
            changes={"name": [before, name]},
        )
        return organization
