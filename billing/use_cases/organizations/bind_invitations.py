from django.db import transaction

from billing.actor import Actor
from billing.models import Customer, Organization, OrganizationMember
from billing.text import normal_email
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.record_audit import record_audit


def bind_invitations(*, by: Actor) -> int:
    """Makes a person a member of each organization that has invited the person's address.

    An invitation of a person who is the owner or a member of the organization already is removed. Call it where a
    person is first seen with a verified address; without an open invitation it is one query.

    Args: by: the person, with the verified address. Returns: how many invitations were bound.
    Locks: Organization, by ascending key. Transaction: owns; the caller holds no lock of an organization.
    Idempotency: an invitation is bound once; a concurrent second call waits, and binds none.
    """
    if not by.email:
        return 0
    invitations = OrganizationMember.objects.filter(customer__isnull=True, email=normal_email(by.email))
    inviting = list(invitations.values_list("organization_id", flat=True))
    if not inviting:
        return 0
    with transaction.atomic():
        customer = ensure_customer(user_id=by.user_id, email=by.email)
        # Races with the removal of an invitation, a second invitation and a second sign-in of the same person.
        list(Organization.objects.select_for_update(no_key=True).filter(id__in=inviting).order_by("id"))
        bound = [_bind(each, customer, by=by) for each in invitations.filter(organization__in=inviting)]
    return sum(bound)


def _bind(invitation: OrganizationMember, customer: Customer, *, by: Actor) -> bool:
    organization = invitation.organization
    is_owner = organization.customer_id == customer.pk
    is_new = not is_owner and not organization.members.filter(customer=customer).exists()
    if is_new:
        invitation.customer = customer
        invitation.save(update_fields=["customer"])
    else:
        invitation.delete()
    record_audit(
        action="organization.member_joined" if is_new else "organization.invitation_ended",
        object_type="organization",
        object_id=str(organization.pk),
        by=by,
        changes={"email": [invitation.email, invitation.email if is_new else ""], "role": [None, invitation.role]},
    )
    return is_new
