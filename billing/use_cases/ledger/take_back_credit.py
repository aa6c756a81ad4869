from uuid import UUID

from django.db import connection

from billing.actor import Actor
from billing.locks import lock_account_and_survivor
from billing.models import LedgerEntry, Lot
from billing.use_cases.ledger.post_entry import post_taken_back

# The oldest credit is spent first, so an account without lots has its newest credit left.
_LEFT = """
SELECT greatest(0, least(%(amount)s, a.balance_minor - (
         SELECT coalesce(sum(e.amount_minor), 0) FROM billing_ledgerentry e
          WHERE e.account_id = a.customer_id AND e.version > %(version)s AND e.amount_minor > 0)))
  FROM billing_account a WHERE a.customer_id = %(account)s
"""


def take_back_credit(
    *, granted: LedgerEntry, most_minor: int, reason: str, why: str, order_id: UUID, by: Actor
) -> int:
    """Takes back what is left of a grant, at most `most_minor` and what is not held. Returns: the amount.

    The credit of a merged customer has moved to another account and is not taken back.

    Locks: Account. Transaction: joins.
    """
    account, survivor_id = lock_account_and_survivor(customer_id=granted.account_id)
    if survivor_id is not None or LedgerEntry.objects.filter(reverses=granted).exists():
        return 0
    lot = Lot.objects.filter(entry=granted).first()
    in_lots = account.lots_since is not None
    left_minor = (lot.left_minor - lot.held_minor if lot else 0) if in_lots else _left_without_lots(granted)
    taken_minor = min(left_minor, most_minor, account.available_minor)
    if taken_minor > 0:
        post_taken_back(
            granted=granted,
            amount_minor=taken_minor,
            lot_id=granted.id if in_lots else None,
            reason=reason,
            why=why,
            order_id=order_id,
            by=by,
        )
    return max(0, taken_minor)


def _left_without_lots(granted: LedgerEntry) -> int:
    parameters = {"amount": granted.amount_minor, "version": granted.version, "account": granted.account_id}
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, parameters)
        left: int = cursor.fetchone()[0]
    return int(left)
