"""Staff move a customer to another e-mail address, because the customer has lost the present one."""

from allauth.account.models import EmailAddress
from django.db import transaction

from billing.actor import Actor
from billing.errors import AddressTaken, CustomerMerged, CustomerNotFound, NoSignInHere, ReasonRequired, SameAddress
from billing.models import Customer, User
from billing.text import has_visible_text, normal_email
from billing.use_cases.adopt_email import adopt_email
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.email_moved_mail import queue_email_moved_mails
from billing.use_cases.identity.end_sessions import end_sessions
from billing.use_cases.identity.merge_users import check_not_staff
from billing.use_cases.identity.users import find_user, vouch_for_address
from billing.use_cases.record_audit import record_audit


def move_email(*, customer_id: int, address: str, why: str, by: Actor) -> Customer:
    """Gives a customer another e-mail address to sign in with, and ends all sessions.

    The old address no longer leads to the customer. Mails and Stripe get the new one. A mail tells both addresses.

    Raises: ReasonRequired, InvalidAddress, CustomerNotFound, CustomerMerged, CustomerIsStaff, NoSignInHere,
    SameAddress, AddressTaken. Locks: Customer, User. Transaction: joins.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    address = normalize_address(address)
    with transaction.atomic():
        customer, user = lock_person(customer_id=customer_id)
        before = user.email
        if normal_email(before) == address:
            raise SameAddress
        if find_user(address=address) not in (None, user):
            raise AddressTaken
        # A row that is not proved leads nowhere, and must not keep the address from the customer.
        EmailAddress.objects.filter(email=address, verified=False).exclude(user=user).delete()
        user.email = address
        user.save(update_fields=["email"])
        vouch_for_address(user=user)
        end_sessions(user=user)
        adopt_email(customer, email=address)
        moved = record_audit(
            action="customer.email_moved",
            object_type="customer",
            object_id=str(customer.pk),
            by=by,
            changes={"email": [before, address]},
            reason=why,
        )
        queue_email_moved_mails(moved)
        return customer


def lock_person(*, customer_id: int) -> tuple[Customer, User]:
    """Locks a customer and the user who signs in as this customer, and returns both.

    Raises: CustomerNotFound, CustomerMerged, CustomerIsStaff, NoSignInHere. Locks: Customer, User.
    """
    # Races with a merge, and with another change of the address.
    customer = Customer.objects.select_for_update(no_key=True).filter(pk=customer_id).first()
    if customer is None:
        raise CustomerNotFound
    if customer.merged_into_id is not None:
        raise CustomerMerged
    # Races with a sign-in, and with an assignment of a role.
    user = User.objects.select_for_update(no_key=True).filter(sub=customer.user_id).first()
    if user is None:
        raise NoSignInHere
    check_not_staff(customer)
    return customer, user
