"""Finds the one user of a verified person.

Only an address that somebody proved counts: by a mailed code, by a provider that calls it verified, or because a
superadmin entered it for a member of staff. The table of verified addresses admits one user an address. The e-mail
claim of a platform's token proves nothing, so it never leads to a user.
"""

from uuid import uuid4

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from billing.actor import Actor
from billing.models import User
from billing.use_cases.record_audit import record_audit


def find_user(*, address: str) -> User | None:
    """Returns the user who proved that the address is theirs."""
    found = EmailAddress.objects.select_related("user").filter(email=address, verified=True).first()
    return found.user if found else None


def ensure_user(*, address: str, sub: str = "", name: str = "", avatar_url: str = "", by: Actor) -> User:
    """Returns the user of a proved address, creating a customer on first use.

    Args: sub: the platform's user id of a new user, where it is known.
    Transaction: joins. Idempotency: concurrent first sign-ins create one user.
    """
    found = find_user(address=address)
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return _create_user(address, sub=sub, name=name, avatar_url=avatar_url, by=by)
    except IntegrityError:
        # Races with another first sign-in of the same person. If it is none, the address is still unknown.
        found = find_user(address=address)
        if found is None:
            raise
        return found


def _create_user(address: str, *, sub: str, name: str, avatar_url: str, by: Actor) -> User:
    identity = sub or str(uuid4())
    user = User(username=f"customer-{uuid4()}", sub=identity, email=address)
    user.first_name, user.avatar_url = name[:150], avatar_url
    user.set_unusable_password()
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    record_audit(action="user.created", object_type="user", object_id=str(user.pk), by=by)
    return user
