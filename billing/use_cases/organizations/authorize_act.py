from uuid import UUID

from django.db.models import Q

from billing.actor import Actor
from billing.errors import OrganizationNotFound, OrganizationRoleTooLow
from billing.models import Organization, OrganizationMember
from billing.organization_roles import ACTS_AFTER_DELETION, Act, OrganizationRole, may
from billing.text import normal_email
from billing.use_cases.organizations.bind_invitations import bind_invitations


def authorize_act(*, organization_id: UUID, by: Actor, act: Act, lock: bool = False) -> Organization:
    """Returns the organization, with its customer, if the caller's role in it allows the act.

    An open invitation of the caller's address counts as a role, and is bound unless `lock` is set. A change calls it
    inside its transaction with `lock`, so that a role that ends meanwhile does not count. One query for the owner,
    two for others.

    Raises: OrganizationNotFound for a stranger, and for a deleted organization except for its owner's reading and
    deleting; OrganizationRoleTooLow. Locks: Organization, with `lock`.
    """
    organizations = Organization.objects.select_related("customer")
    if lock:
        # Races with the organization's deletion, and with every change of its members.
        organizations = organizations.select_for_update(no_key=True, of=("self",))
    organization = organizations.filter(id=organization_id).first()
    role = None if organization is None else _role_in(organization, by=by, bind=not lock)
    if organization is None or role is None:
        raise OrganizationNotFound
    is_open_to_owner = role == OrganizationRole.OWNER and act in ACTS_AFTER_DELETION
    if organization.status == Organization.Status.DELETED and not is_open_to_owner:
        raise OrganizationNotFound
    if not may(role, act):
        raise OrganizationRoleTooLow
    return organization


def _role_in(organization: Organization, *, by: Actor, bind: bool) -> OrganizationRole | None:
    """Returns the caller's role in the organization, or None for a stranger."""
    if organization.customer.user_id == by.user_id:
        return OrganizationRole.OWNER
    own = Q(customer__user_id=by.user_id)
    if by.email:
        own |= Q(customer__isnull=True, email=normal_email(by.email))
    # A bound role comes before an invitation.
    found = OrganizationMember.objects.filter(own, organization=organization).order_by("customer").first()
    if found is None:
        return None
    if found.customer_id is None and bind:
        bind_invitations(by=by)
    return OrganizationRole(found.role)
