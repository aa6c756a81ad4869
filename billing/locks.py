"""Row locks, and the order in which the whole service takes its locks. Any other order can deadlock.

    Proposal → Order → Account → Organization → Subscription → Domain → Redemption → the campaign's advisory lock
    → the code's advisory lock → the code's counters → the campaign's counters

The advisory lock of the catalog may be taken anywhere after the account: its exclusive holder waits for nothing else.

Within one table, rows are locked by ascending primary key. `FOR NO KEY UPDATE` still lets other transactions insert
rows that reference the locked row.
"""

from uuid import UUID

from .errors import CustomerNotFound
from .models import Account, Organization


def lock_account(*, customer_id: int) -> Account:
    """Locks the customer's account until the transaction ends, and returns it as it is under the lock.

    Raises: CustomerNotFound. Locks: Account.
    """
    # Races with every other grant, spend and hold of this customer.
    account = Account.objects.select_for_update(no_key=True).filter(customer_id=customer_id).first()
    if account is None:
        raise CustomerNotFound
    return account


def lock_account_of_user(*, user_id: str) -> Account | None:
    """The account of a platform user, locked as by `lock_account`; None before the user's first act.

    Locks: Account.
    """
    # Races with every other grant, spend and hold of this customer.
    return Account.objects.select_for_update(no_key=True, of=("self",)).filter(customer__user_id=user_id).first()


def lock_organization(*, organization_id: UUID) -> Organization:
    """Locks the organization's row, and reads it with its customer. Raises: Organization.DoesNotExist."""
    # Races with checkouts and renewals for it, its provisioning and deletion, and changes of its members and apps.
    return (
        Organization.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer")
        .get(id=organization_id)
    )
