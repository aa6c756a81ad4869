"""Row locks, and the order in which the whole service takes its locks. Any other order can deadlock.

    Merges → Proposal → Order → Customer → Account → Organization → Subscription → Domain → Redemption
    → the campaign's advisory lock → the code's advisory lock → the code's counters → the campaign's counters

The advisory lock of the catalog may be taken anywhere after the account: its exclusive holder waits for nothing else.

Within one table, rows are locked by ascending primary key. `FOR NO KEY UPDATE` still lets other transactions insert
rows that reference the locked row.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils import timezone

from .errors import Busy, CustomerErased, CustomerMerged, CustomerNotFound, DomainError
from .models import Account, Customer, Organization


def lock_account(*, customer_id: int, may_be_closed: bool = False, now: datetime | None = None) -> Account:
    """Locks the customer's account until the transaction ends, and returns it as it is under the lock.

    What has expired of its credit is posted first, so the figures are those of `now`.

    Args: may_be_closed: whether the customer may have been merged into another one.
    Raises: CustomerNotFound, CustomerMerged, CustomerErased. Locks: Account.
    """
    # Races with every other grant, spend and hold of this customer.
    account = Account.objects.select_for_update(no_key=True).filter(customer_id=customer_id).first()
    if account is None:
        raise CustomerNotFound
    if account.closed and not may_be_closed:
        raise refusal_of_closed(customer_id=customer_id)
    return _without_expired_credit(account, now=now)


def refusal_of_closed(*, customer_id: int) -> DomainError:
    """Returns why an account is closed: its customer was merged into another one, or erased."""
    is_erased = Customer.objects.filter(pk=customer_id, erased_at__isnull=False).exists()
    return CustomerErased() if is_erased else CustomerMerged()


def _without_expired_credit(account: Account, *, now: datetime | None = None) -> Account:
    if account.next_expiry is not None and account.next_expiry <= (now or timezone.now()):
        post_expired_credit(customer_ids=[account.pk], now=now)
        account.refresh_from_db()
    return account


def post_expired_credit(*, customer_ids: Sequence[int], now: datetime | None = None) -> int:
    """Posts an `expiry` entry for each lot of these customers that has expired. Returns how many.

    Locks: Account, ascending. Transaction: joins. Idempotency: what is posted has nothing left to expire.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_expire_credit(%s::bigint[], coalesce(%s::timestamptz, statement_timestamp()))",
            [list(customer_ids), now],
        )
        [posted] = cursor.fetchone()
    return int(posted)


def lock_account_and_survivor(*, customer_id: int) -> tuple[Account, int | None]:
    """Locks an account and, before it, the account of the customer that its own was merged into, if it was.

    Returns: the account, and the key of the other one.
    Raises: CustomerNotFound; CustomerErased; Busy, if a merge ended meanwhile.
    Locks: Account; a closed one after the open one.
    """
    customers = Customer.objects.filter(id=customer_id)
    survivor_id = customers.values_list("merged_into_id", flat=True).first()
    if survivor_id is not None:
        lock_account(customer_id=survivor_id)
    account = lock_account(customer_id=customer_id, may_be_closed=survivor_id is not None)
    # Races with a merge of either customer.
    if customers.values_list("merged_into_id", flat=True).get() != survivor_id:
        raise Busy(retry_after=1)
    return account, survivor_id


def lock_merges() -> None:
    """Keeps other merges of customers out until the transaction ends. It comes before all other locks."""
    # Races with a second merge: a merge also changes customers that were merged before, in no order of keys.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('merges of customers', 0))")


def lock_account_of_user(*, user_id: str) -> Account | None:
    """Returns the account of a platform user, locked as by `lock_account`; None before the user's first act.

    Locks: Account.
    """
    # Races with every other grant, spend and hold of this customer.
    account = Account.objects.select_for_update(no_key=True, of=("self",)).filter(customer__user_id=user_id).first()
    return account and _without_expired_credit(account)


def lock_organization(*, organization_id: UUID) -> Organization:
    """Locks the organization's row, and reads it with its customer. Raises: Organization.DoesNotExist."""
    # Races with checkouts and renewals for it, its provisioning and deletion, and changes of its members and apps.
    return (
        Organization.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer")
        .get(id=organization_id)
    )
