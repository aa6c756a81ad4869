from django.db import transaction
from django.utils import timezone

from billing.locks import post_expired_credit
from billing.models import Account

# Limits a transaction: its accounts stay locked until it ends.
MAX_BATCH = 100


def expire_credit() -> int:
    """Posts the expiry of all credit that has expired, and returns how many entries that took.

    Nothing waits for this: expired credit is refused without it. It keeps the ledger's sums close to what customers
    can spend.

    Locks: Account, ascending. Transaction: owns, one for each batch of accounts. Idempotency: yes.
    """
    due = Account.objects.filter(next_expiry__lte=timezone.now()).order_by("pk").values_list("pk", flat=True)
    keys, posted = list(due), 0
    for first in range(0, len(keys), MAX_BATCH):
        with transaction.atomic():
            posted += post_expired_credit(customer_ids=keys[first : first + MAX_BATCH])
    return posted
