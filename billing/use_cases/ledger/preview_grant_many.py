from collections.abc import Sequence

from billing.actor import Actor
from billing.models import LedgerEntry
from billing.use_cases.ledger.grant_many import MAX_BATCH, distinct_users, grant_many


def preview_grant_many(*, user_ids: Sequence[str], amount_minor: int, name: str, why: str, by: Actor) -> int:
    """Counts the users whom a grant of this name would reach now; the others have it already.

    Args: user_ids: each once, any number.
    Raises: as grant_many does. Changes nothing.
    """
    # Of no users, a grant checks its terms and writes nothing.
    grant_many(user_ids=(), amount_minor=amount_minor, name=name, why=why, by=by)
    granted = 0
    for first in range(0, len(user_ids), MAX_BATCH):
        users = distinct_users(user_ids[first : first + MAX_BATCH])
        granted += LedgerEntry.objects.filter(
            account__customer__user_id__in=users, kind=LedgerEntry.Kind.GRANT, reason=f"grant:{name}"
        ).count()
    return len(user_ids) - granted
