from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.models import Organization
from billing.organization_roles import Act
from billing.text import normal_vat_number
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit


def change_details(
    *, organization_id: UUID, by: Actor, name: str | None = None, vat_number: str | None = None
) -> Organization:
    """Gives an organization another name or VAT number; what is None stays. Its slug stays.

    Documents that are issued already keep what they say.

    Args: vat_number: as `VAT_NUMBER_INPUT` accepts it; empty for none.
    Raises: OrganizationNotFound, OrganizationRoleTooLow. Locks: Organization. Transaction: owns.
    Idempotency: the same values again change nothing.
    """
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.RENAME, lock=True)
        wanted = {
            "name": ("organization.renamed", name),
            "vat_number": (
                "organization.vat_number_changed",
                None if vat_number is None else normal_vat_number(vat_number),
            ),
        }
        for field, (action, value) in wanted.items():
            before = getattr(organization, field)
            if value is None or value == before:
                continue
            setattr(organization, field, value)
            organization.save(update_fields=[field])
            record_audit(
                action=action,
                object_type="organization",
                object_id=str(organization.pk),
                by=by,
                changes={field: [before, value]},
            )
        return organization
