from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from billing.actor import Actor
from billing.errors import OrganizationNotFound, OrganizationRoleTooLow
from billing.models import Organization, OrganizationMember
from billing.organization_roles import ACTS_AFTER_DELETION, READING_ACTS, Act, OrganizationRole, may
from billing.text import normal_email
from billing.use_cases.adopt_email import adopt_email
from billing.use_cases.organizations.bind_invitations import bind_invitations


def authorize_act(*, organization_id: UUID, by: Actor, act: Act, lock: bool = False) -> Organization:
    """Returns the organization, with its customer, if the caller's role in it allows the act.

    An open invitation of the caller's address counts as a role, and is bound unless `lock` is set. A change calls it
    inside its transaction with `lock`, so that a role that ends meanwhile does not count. One query, two with `lock`.
    A new e-mail address of the owner is stored, unless the act only reads or `lock` is set.

    Raises: OrganizationNotFound for a stranger, and for a deleted organization except for its owner's reading and
    deleting; OrganizationRoleTooLow. Locks: Organization, with `lock`.
    """
    if lock:
        # Races with the organization's deletion, and with every change of its members. The next statement reads the
        # roles: this one would read them as they were before it waited for the lock.
        list(Organization.objects.select_for_update(no_key=True).filter(id=organization_id).values_list("id"))
    roles = _memberships_of(by).filter(organization=OuterRef("pk"))
    found: Any = (
        Organization.objects.select_related("customer")
        .annotate(role=Subquery(roles.values("role")[:1]), bound_to=Subquery(roles.values("customer")[:1]))
        .filter(id=organization_id)
        .first()
    )
    if found is None:
        raise OrganizationNotFound
    role = OrganizationRole.OWNER if found.customer.user_id == by.user_id else found.role
    if role is None:
        raise OrganizationNotFound
    is_open_to_owner = role == OrganizationRole.OWNER and act in ACTS_AFTER_DELETION
    if found.status == Organization.Status.DELETED and not is_open_to_owner:
        raise OrganizationNotFound
    if not may(OrganizationRole(role), act):
        raise OrganizationRoleTooLow
    if role != OrganizationRole.OWNER and found.bound_to is None and not lock:
        bind_invitations(by=by)
    if role == OrganizationRole.OWNER and act not in READING_ACTS and not lock:
        adopt_email(found.customer, email=by.email)
    organization: Organization = found
    return organization


def _memberships_of(by: Actor) -> QuerySet[OrganizationMember, OrganizationMember]:
    """Returns the caller's memberships, and after them the open invitations of the caller's address."""
    own = Q(customer__user_id=by.user_id)
    if by.email:
        own |= Q(customer__isnull=True, email=normal_email(by.email))
    return OrganizationMember.objects.filter(own).order_by("customer")
