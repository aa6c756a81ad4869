from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.actor import Actor, is_user_id
from billing.errors import MemberNotFound, OwnerNotRemovable
from billing.models import OrganizationMember
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit


def remove_member(*, organization_id: UUID, member: str, by: Actor) -> None:
    """Removes a member from an organization, or withdraws an invitation.

    Args: member: the member's user id, or the id of the membership, which an invitation has too.
    Raises: OwnerNotRemovable, MemberNotFound, OrganizationNotFound, OrganizationRoleTooLow.
    Locks: Organization. Transaction: owns.
    """
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_MEMBERS, lock=True)
        if member in (organization.customer.user_id, str(organization.pk)):
            raise OwnerNotRemovable
        if not is_user_id(member):
            raise MemberNotFound
        named = Q(customer__user_id=member)
        try:
            named |= Q(pk=UUID(member))
        except ValueError:
            pass
        found = OrganizationMember.objects.select_related("customer").filter(named, organization=organization).first()
        if found is None:
            raise MemberNotFound
        found.delete()
        record_audit(
            action="organization.member_removed",
            object_type="organization",
            object_id=str(organization.pk),
            by=by,
            changes={
                "email": [found.email, None],
                "user_id": [found.customer.user_id if found.customer else "", None],
                "role": [found.role, None],
            },
        )
