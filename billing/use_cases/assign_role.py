from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.db import transaction

from billing.actor import CUSTOMER, STAFF_ROLES, SUPERADMIN, Actor
from billing.models import User
from billing.use_cases.identity.end_sessions import end_page_sessions, end_sessions
from billing.use_cases.record_audit import record_audit


def role_of(user: User) -> str:
    """Returns the strongest role that the user's groups give. A superuser is a superadmin."""
    if user.is_superuser:
        return SUPERADMIN
    return strongest_role(group.name for group in user.groups.all())


def strongest_role(groups: Iterable[str]) -> str:
    """Returns the strongest role that groups of these names give."""
    names = set(groups)
    return next((role for role in STAFF_ROLES if role in names), CUSTOMER)


def assign_role(*, user: User, role: str, by: Actor, reason: str) -> User:
    """Gives a console user exactly this role. The role `customer` ends the user's staff access.

    A user who loses a staff role is signed out everywhere.

    Raises: ValueError unless the role is a staff role or `customer`. Locks: User. Transaction: joins.
    Idempotency: assigning the same role again changes nothing and writes no audit entry.
    """
    if role not in (*STAFF_ROLES, CUSTOMER):
        raise ValueError(f"{role} is not a role that can be assigned")
    with transaction.atomic():
        # Races with another superadmin who changes the same user, so the user is read again under the lock.
        locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        before, is_staff = role_of(locked), role in STAFF_ROLES
        others = locked.groups.filter(name__in=STAFF_ROLES).exclude(name=role)
        if before == role and locked.is_staff == is_staff and not others.exists():
            return locked
        locked.groups.remove(*Group.objects.filter(name__in=STAFF_ROLES))
        if is_staff:
            locked.groups.add(Group.objects.get(name=role))
        was_staff, locked.is_staff = locked.is_staff, is_staff
        locked.is_superuser = locked.is_superuser and role == SUPERADMIN
        locked.save(update_fields=["is_staff", "is_superuser"])
        record_audit(
            action="user.role_changed",
            object_type="user",
            object_id=str(locked.pk),
            by=by,
            changes={"role": [before, role], "is_staff": [was_staff, is_staff]},
            reason=reason,
        )
        if before in STAFF_ROLES and before != role:
            end_sessions(user=locked)
        elif before != role:
            # A customer's session of the pages was proved by less than a member of staff has to prove.
            end_page_sessions(user=locked)
        return locked
