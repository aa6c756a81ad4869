from datetime import timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from billing.actor import Actor
from billing.errors import AlreadyMember, TooManyInvitations, TooManyMembers
from billing.models import AuditEntry, Customer, Organization, OrganizationMember, User
from billing.organization_roles import Act, OrganizationRole
from billing.text import normal_email
from billing.use_cases.count_attempt import Limit, count_hit
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.record_audit import record_audit
from orders.use_cases.mail.queue_mail import Mail, queue_mail

_ACTION = "organization.member_invited"
# Of all organizations. A later invitation of the day is open as well, and is not mailed: refusing it would let
# strangers keep a person out of an organization.
MAILS_OF_ADDRESS = Limit(scope="invitations mailed to an address in a day", hits=10, seconds=24 * 3600)


def invite_member(*, organization_id: UUID, email: str, role: OrganizationRole, by: Actor) -> OrganizationMember:
    """Makes the person with this e-mail address a member, and queues a mail that says so, ten a day to an address.

    The only customer with the address is a member at once. Else the invitation is open until a person signs in with
    the address (bind_invitations).

    Raises: AlreadyMember, TooManyMembers, TooManyInvitations, OrganizationNotFound, OrganizationRoleTooLow.
    Locks: Organization. Transaction: owns. Idempotency: a second invitation of an address raises AlreadyMember.
    """
    address = normal_email(email)
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_MEMBERS, lock=True)
        customer = _only_customer(address)
        _check_is_new(organization, address, customer)
        _check_quotas(organization)
        member = OrganizationMember.objects.create(
            organization=organization, customer=customer, email=address, role=role
        )
        member.refresh_from_db(fields=["joined_at"])
        record_audit(
            action=_ACTION,
            object_type="organization",
            object_id=str(organization.pk),
            by=by,
            changes={"email": [None, address], "role": [None, role.value]},
        )
        may_mail, _ = count_hit(MAILS_OF_ADDRESS, address)
        if may_mail:
            queue_mail(Mail.INVITED, member.id)
        return member


def _only_customer(address: str) -> Customer | None:
    """Returns the customer with this address; None if there is none, or if several share it: any may be meant.

    A user who signs in here has to have proved the address. The platform proves the addresses of its own users.
    """
    users = User.objects.filter(sub=OuterRef("user_id"))
    proved = EmailAddress.objects.filter(user__sub=OuterRef("user_id"), email=address, verified=True)
    known = Customer.objects.filter(~Exists(users) | Exists(proved), email__iexact=address)
    found = list(known[:2])
    return found[0] if len(found) == 1 else None


def _check_is_new(organization: Organization, address: str, customer: Customer | None) -> None:
    members = OrganizationMember.objects.filter(organization=organization)
    is_owner = organization.customer == customer or normal_email(organization.customer.email) == address
    is_member = members.filter(email=address).exists() or (
        customer is not None and members.filter(customer=customer).exists()
    )
    if is_owner or is_member:
        raise AlreadyMember


def _check_quotas(organization: Organization) -> None:
    if OrganizationMember.objects.filter(organization=organization).count() >= settings.MAX_MEMBERS:
        raise TooManyMembers
    if _invitations_today(organization.customer).count() >= settings.INVITATIONS_PER_DAY:
        raise TooManyInvitations(retry_after=3600)


def _invitations_today(owner: Customer) -> QuerySet[AuditEntry, AuditEntry]:
    """Returns the invitations of a day to all organizations of the owner, so that one cannot flood mailboxes."""
    organizations = [str(each) for each in Organization.objects.filter(customer=owner).values_list("id", flat=True)]
    return AuditEntry.objects.filter(
        object_type="organization",
        object_id__in=organizations,
        action=_ACTION,
        created_at__gt=timezone.now() - timedelta(days=1),
    )
