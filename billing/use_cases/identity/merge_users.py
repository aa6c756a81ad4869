"""The users who sign in as the two customers of a merge."""

from allauth.account.models import EmailAddress

from billing.actor import CUSTOMER
from billing.errors import CustomerIsStaff
from billing.models import Customer, ProviderAccount, User
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.end_sessions import end_sessions


def check_not_staff(*customers: Customer) -> None:
    """Raises: CustomerIsStaff. A customer's address must never lead to a staff role."""
    for user in User.objects.filter(sub__in=[each.user_id for each in customers]).prefetch_related("groups"):
        if user.is_staff or role_of(user) != CUSTOMER:
            raise CustomerIsStaff


def merge_users(*, merged: Customer, survivor: Customer) -> None:
    """Lets every way to sign in as the merged customer lead to the survivor, and signs the merged one out.

    Locks: User, by ascending key. Transaction: joins.
    """
    # Races with a sign-in, and with an assignment of a role.
    rows = User.objects.select_for_update(no_key=True).filter(sub__in=[merged.user_id, survivor.user_id])
    users = {user.sub: user for user in rows.order_by("pk")}
    old, new = users.get(merged.user_id), users.get(survivor.user_id)
    if old is None:
        return
    end_sessions(user=old)
    if new is None:
        old.sub = survivor.user_id
        old.save(update_fields=["sub"])
        return
    ProviderAccount.objects.filter(user=old).update(user=new)
    _move_addresses(old, new)
    old.is_active = False
    old.save(update_fields=["is_active"])


def _move_addresses(old: User, new: User) -> None:
    """Moves the addresses that the user has proved. An address that is not proved leads nowhere and stays."""
    proved = EmailAddress.objects.filter(user=old, verified=True)
    EmailAddress.objects.filter(user=new, verified=False, email__in=proved.values("email")).delete()
    proved.update(user=new, primary=False)
    if not new.email:
        new.email = old.email
        new.save(update_fields=["email"])
