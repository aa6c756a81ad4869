"""Finds the one user of a verified person.

Only an address that a person proved counts: by a mailed code, by a provider that calls it verified, or because a
superadmin entered it for a member of staff. The table of verified addresses admits one user an address. The e-mail
claim of a platform's token proves nothing, so it never leads to a user.
"""

from uuid import uuid4

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from billing.actor import CUSTOMER, Actor
from billing.models import User
from billing.text import normal_email
from billing.use_cases.record_audit import record_audit


def find_user(*, address: str) -> User | None:
    """Returns the user who proved that the address is theirs."""
    found = EmailAddress.objects.select_related("user").filter(email=address, verified=True).first()
    return found.user if found else None


def has_proved_address(user: User) -> bool:
    """Tells whether the user has proved the present address."""
    return EmailAddress.objects.filter(user=user, email=normal_email(user.email), verified=True).exists()


def may_use_address(user: User, *, role: str) -> bool:
    """Returns whether the user acts with the present address: a customer has to prove it; staff need not.

    An address leads to invitations and mails, so no use case may get one that is not proved. A superadmin enters the
    addresses of staff.
    """
    return role != CUSTOMER or has_proved_address(user)


def ensure_user(*, address: str, sub: str = "", by: Actor) -> User:
    """Returns the user of a proved address, creating a customer on first use.

    Args: sub: the platform's user id of a new user, where it is known.
    Transaction: joins. Idempotency: concurrent first sign-ins create one user.
    """
    found = find_user(address=address)
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return create_user(address=address, is_verified=True, sub=sub or str(uuid4()), by=by)
    except IntegrityError:
        # Races with another first sign-in of the same person. If that is not the cause, nobody has the address.
        found = find_user(address=address)
        if found is None:
            raise
        return found


def create_user(*, address: str, is_verified: bool, sub: str, by: Actor) -> User:
    """Creates a customer's user, without a password. Transaction: joins."""
    user = User(username=f"customer-{uuid4()}", sub=sub, email=address)
    user.set_unusable_password()
    user.save(force_insert=True)
    if is_verified:
        EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    record_audit(action="user.created", object_type="user", object_id=str(user.pk), by=by)
    return user


def vouch_for_address(*, user: User) -> None:
    """Makes the address that a superadmin entered the user's verified one, unless another user has proved it.

    Transaction: joins.
    """
    address = normal_email(user.email)
    EmailAddress.objects.filter(user=user).exclude(email=address).delete()
    if address and find_user(address=address) is None:
        EmailAddress.objects.update_or_create(user=user, email=address, defaults={"verified": True, "primary": True})
