"""Credit for many customers at once, each at most once for the same reason.

The database checks under the accounts' locks who has the grant already. So a call that was interrupted, or whose
answer was lost, can be repeated.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from billing.actor import Actor, is_user_id
from billing.errors import InvalidBatch, ReasonRequired
from billing.language import say
from billing.models import CreditClass, Customer
from billing.models.bulk.bulk_grant import GRANT_NAME
from billing.text import has_visible_text
from billing.use_cases.ledger.post_entry import check_positive

# Limits a transaction: the accounts of its users stay locked until it ends.
MAX_BATCH = 10_000
_NAME = re.compile(GRANT_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The result for one user of the batch: the new ledger entry, or None where the user had this grant already."""

    user_id: str
    entry_id: UUID | None


def grant_many(
    *,
    user_ids: Iterable[str],
    amount_minor: int | Mapping[str, int],
    name: str,
    why: str,
    by: Actor,
    credit_class: str = CreditClass.PROMOTIONAL,
    expires_at: datetime | None = None,
) -> list[Granted]:
    """Adds credit to the balance of each of these users. If it fails, none of them gets it.

    Unknown users become customers. Each entry carries `grant:NAME` as its reason, `why` as its note, and the actor.
    It is one statement for any number of users; a user named twice is one.

    Args: amount_minor: positive, smallest unit; the same for all, or by user. name: lower-case, 3 to 80 of
    a-z 0-9 . _ -
    Raises: InvalidAmount, InvalidBatch, ReasonRequired. Locks: Account, ascending. Transaction: owns, one
    statement; inside another's it is a savepoint. Idempotency: a user with a grant of this name gets no second one.
    """
    users = distinct_users(user_ids)
    check_grant(name=name, why=why)
    amounts = [amount_minor if isinstance(amount_minor, int) else amount_minor[user] for user in users]
    for amount in {amount_minor} if isinstance(amount_minor, int) else set(amounts):
        check_positive(amount)
    actor = (by.user_id, by.role, by.channel, by.address)
    terms = (f"grant:{name}", why, settings.SOVEREIGN_CURRENCY, credit_class, expires_at)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT grantee, entry FROM billing_grant_amounts(%s::text[], %s::bigint[], %s, %s, %s, %s,"
                " %s::timestamptz, ROW(%s, %s, %s, %s)::billing_actor)",
                [users, amounts, *terms, *actor],
            )
            entries: dict[str, UUID] = dict(cursor.fetchall())
    except IntegrityError:
        check_not_merged(users)
        raise
    return [Granted(user_id=user, entry_id=entries.get(user)) for user in users]


def check_grant(*, name: str, why: str) -> None:
    """Raises: InvalidBatch where the name has another form, ReasonRequired."""
    if not _NAME.fullmatch(name):
        raise InvalidBatch(fields={"name": ["use 3 to 80 of the letters a-z, digits, '.', '_' and '-'"]})
    if not has_visible_text(why):
        raise ReasonRequired


def check_not_merged(user_ids: Iterable[str]) -> None:
    """Raises: InvalidBatch, naming the users whose customer was merged into another one. One query."""
    merged = Customer.objects.filter(user_id__in=user_ids, merged_into__isnull=False).values_list(
        "user_id", flat=True
    )
    if wrong := list(merged[:10]):
        sentences = [say("merged into another customer: %(user)s", user=repr(user[:80])) for user in wrong]
        raise InvalidBatch(fields={"user_ids": sentences})


def distinct_users(user_ids: Iterable[str]) -> list[str]:
    """Returns the users of a batch in their order, each once. Raises: InvalidBatch where one is no user id."""
    users = list(dict.fromkeys(user_ids))
    wrong = [user for user in users if not is_user_id(user)]
    if wrong:
        sentences = [say("this is not a user id: %(user)s", user=repr(user[:80])) for user in wrong[:10]]
        raise InvalidBatch(fields={"user_ids": sentences})
    if len(users) > MAX_BATCH:
        raise InvalidBatch(fields={"user_ids": [say("send at most %(number)s at once", number=MAX_BATCH)]})
    return users
