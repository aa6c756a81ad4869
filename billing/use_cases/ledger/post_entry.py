"""Grant, spend, reverse and adjust: the four ways to change a balance. Each writes one ledger entry.

A trigger on the entry updates the account (see models/ledger.sql). This module decides which entries are allowed.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from billing.actor import Actor
from billing.errors import (
    CustomerMerged,
    CustomerNotFound,
    EntryAlreadyReversed,
    EntryNotFound,
    EntryNotReversible,
    EntryOfRedemption,
    InsufficientCredit,
    InvalidAmount,
    OrderAlreadySpent,
    ReasonRequired,
    translate_violations,
)
from billing.locks import lock_account_and_survivor, refusal_of_closed
from billing.models import CreditClass, LedgerEntry
from billing.models.keys import uuid7
from billing.money import AmountError, within_limit
from billing.text import has_visible_text

TRANSFER = "transfer:"
# Credit that left for another Sovereign, or came from one (orders/use_cases/trail).
MOVED_OUT, MOVED_IN = "moved-out:", "moved-in:"
_REFUSALS = {
    "billing_account_balance_covers_held": InsufficientCredit,
    "billing_ledgerentry_one_spend_per_order": OrderAlreadySpent,
    "billing_ledgerentry_account_exists": CustomerNotFound,
    "billing_ledgerentry_account_open": CustomerMerged,
    "billing_ledgerentry_reversed_once": EntryAlreadyReversed,
}


def grant_credit(
    *,
    customer_id: int,
    amount_minor: int,
    reason: str,
    by: Actor,
    order_id: UUID | None = None,
    redemption_id: UUID | None = None,
    credit_class: str = CreditClass.PROMOTIONAL,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> LedgerEntry:
    """Adds credit to the customer's balance. It cannot be spent or held from `expires_at` on.

    Args: amount_minor: positive, smallest unit. Raises: InvalidAmount, CustomerNotFound.
    Locks: Account. Transaction: joins.
    """
    check_positive(amount_minor)
    return _post(
        LedgerEntry(
            account_id=customer_id,
            kind=LedgerEntry.Kind.GRANT,
            amount_minor=amount_minor,
            reason=reason,
            order_id=order_id,
            redemption_id=redemption_id,
            credit_class=credit_class,
            expires_at=expires_at,
        ),
        by=by,
        now=now,
    )


def spend_credit(
    *, customer_id: int, amount_minor: int, order_id: UUID, by: Actor, now: datetime | None = None
) -> LedgerEntry:
    """Pays for an order from the available credit. An order is paid from credit at most once.

    Args: amount_minor: positive, smallest unit; stored negative.
    Raises: InvalidAmount, InsufficientCredit, OrderAlreadySpent. Locks: Account. Transaction: joins.
    """
    check_positive(amount_minor)
    entry = LedgerEntry(
        account_id=customer_id,
        kind=LedgerEntry.Kind.SPEND,
        amount_minor=-amount_minor,
        reason="order-payment",
        order_id=order_id,
    )
    try:
        return _post(entry, by=by, now=now)
    except InsufficientCredit as error:
        # The database checks the account before the unique index of spends, so a second spend of the same order may
        # fail for lack of credit first. Report the real reason.
        if LedgerEntry.objects.filter(order_id=order_id, kind=LedgerEntry.Kind.SPEND).exists():
            raise OrderAlreadySpent from error
        raise


def reverse_entry(*, entry_id: UUID, why: str, by: Actor, now: datetime | None = None) -> LedgerEntry:
    """Undoes an entry by posting its opposite. The entry itself stays.

    Credit goes back to the lots that it came from; what has expired since gets a grace (lots.sql).

    An entry is reversed at most once; a reversal, a transfer or a move to or from another Sovereign never. To undo
    the credit of a redemption, release the redemption: that frees its slot too.

    The entry of a merged customer is reversed in its own account, and the difference is the survivor's.

    Raises: ReasonRequired, EntryNotFound, EntryOfRedemption, EntryNotReversible, EntryAlreadyReversed,
    InsufficientCredit if the credit of a grant was already spent. Locks: Account. Transaction: joins.
    """
    entry = LedgerEntry.objects.filter(id=entry_id).exclude(kind=LedgerEntry.Kind.REVERSAL).first()
    if entry is not None and entry.redemption_id is not None:
        raise EntryOfRedemption
    if entry is not None and entry.reason.startswith((TRANSFER, MOVED_OUT, MOVED_IN)):
        raise EntryNotReversible
    return _reverse(entry, why=why, by=by, now=now)


def reverse_grant(*, redemption_id: UUID, why: str, by: Actor) -> LedgerEntry:
    """Undoes the grant of a redemption. The caller must release the redemption in the same transaction.

    Raises and locks as `reverse_entry` does. Transaction: joins.
    """
    granted = LedgerEntry.objects.filter(redemption_id=redemption_id, kind=LedgerEntry.Kind.GRANT).first()
    return _reverse(granted, why=why, by=by)


def _reverse(entry: LedgerEntry | None, *, why: str, by: Actor, now: datetime | None = None) -> LedgerEntry:
    if not has_visible_text(why):
        raise ReasonRequired
    if entry is None:
        raise EntryNotFound
    with transaction.atomic():
        account, survivor_id = lock_account_and_survivor(customer_id=entry.account_id)
        if LedgerEntry.objects.filter(reverses=entry).exists():
            raise EntryAlreadyReversed
        if survivor_id is not None and entry.amount_minor > 0:
            transfer_credit(from_id=survivor_id, to_id=account.pk, amount_minor=entry.amount_minor, why=why, by=by)
        if entry.expires_at is not None:
            # What has expired of a grant is given back first, so that the reversal takes no other credit.
            own = LedgerEntry.objects.filter(account_id=entry.account_id, kind=LedgerEntry.Kind.EXPIRY)
            for expiry in own.filter(lot=entry, ledgerentry=None):
                _post(_reversal_of(expiry, why=why), by=by, now=now)
        reversal = _post(_reversal_of(entry, why=why), by=by, now=now)
        if survivor_id is not None and entry.amount_minor < 0:
            transfer_credit(from_id=account.pk, to_id=survivor_id, amount_minor=-entry.amount_minor, why=why, by=by)
        return reversal


def _reversal_of(entry: LedgerEntry, *, why: str) -> LedgerEntry:
    return LedgerEntry(
        account_id=entry.account_id,
        kind=LedgerEntry.Kind.REVERSAL,
        amount_minor=-entry.amount_minor,
        reason=f"reversal:{entry.reason}"[:100],
        note=why,
        order_id=entry.order_id,
        redemption_id=entry.redemption_id,
        reverses=entry,
    )


def transfer_credit(*, from_id: int, to_id: int, amount_minor: int, why: str, by: Actor) -> None:
    """Moves credit from one customer's account to another's: two entries that add up to zero, for each lot.

    The credit keeps its class and its expiry.

    Args: amount_minor: positive, smallest unit. Raises: InsufficientCredit. Locks: both are locked by the caller.
    Transaction: joins.
    """
    for part in _parts(account_id=from_id, amount_minor=amount_minor):
        reason = f"{TRANSFER}{uuid7()}"
        for account_id, change in ((from_id, -part.amount_minor), (to_id, part.amount_minor)):
            incoming = change > 0
            _post(
                LedgerEntry(
                    account_id=account_id,
                    kind=LedgerEntry.Kind.ADJUSTMENT,
                    amount_minor=change,
                    reason=reason,
                    note=why,
                    lot_id=None if incoming else part.lot_id,
                    credit_class=part.credit_class if incoming else "",
                    expires_at=part.expires_at if incoming else None,
                ),
                by=by,
            )


class _Part(NamedTuple):
    """The part of an amount that comes from one lot; without a lot, all of it."""

    amount_minor: int
    lot_id: UUID | None = None
    credit_class: str = ""
    expires_at: datetime | None = None


_PARTS = """
SELECT next.part, next.lot, lot.credit_class, lot.expires_at
  FROM billing_account a CROSS JOIN billing_next_lots(a.customer_id, %s, NULL) AS next
  JOIN billing_lot lot ON lot.entry_id = next.lot
 WHERE a.customer_id = %s AND a.lots_since IS NOT NULL
"""


def _parts(*, account_id: int, amount_minor: int) -> list[_Part]:
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, [amount_minor, account_id])
        parts = [_Part(*row) for row in cursor.fetchall()]
    return parts or [_Part(amount_minor)]


def adjust_credit(
    *,
    customer_id: int,
    amount_minor: int,
    why: str,
    by: Actor,
    reason: str = "adjustment",
    credit_class: str = "",
    expires_at: datetime | None = None,
) -> LedgerEntry:
    """Corrects a balance up or down on behalf of staff, or to correct an entry of this `reason`.

    Args: amount_minor: not zero, smallest unit, negative to take credit away. credit_class, expires_at: of credit
    that comes from elsewhere.
    Raises: InvalidAmount, ReasonRequired, InsufficientCredit, CustomerNotFound. Locks: Account.
    Transaction: joins.
    """
    if amount_minor == 0:
        raise InvalidAmount("an adjustment of zero changes nothing")
    if not has_visible_text(why):
        raise ReasonRequired
    _within_limit(amount_minor)
    return _post(
        LedgerEntry(
            account_id=customer_id,
            kind=LedgerEntry.Kind.ADJUSTMENT,
            amount_minor=amount_minor,
            reason=reason,
            note=why,
            credit_class=credit_class,
            expires_at=expires_at,
        ),
        by=by,
    )


def post_taken_back(
    *,
    granted: LedgerEntry,
    amount_minor: int,
    lot_id: UUID | None,
    reason: str,
    why: str,
    order_id: UUID,
    by: Actor,
) -> LedgerEntry:
    """Takes credit away that a grant brought; its lot is named where the account has lots.

    Args: amount_minor: positive, smallest unit; stored negative. Raises: InsufficientCredit. Locks: Account.
    Transaction: joins.
    """
    return _post(
        LedgerEntry(
            account_id=granted.account_id,
            kind=LedgerEntry.Kind.ADJUSTMENT,
            amount_minor=-amount_minor,
            reason=reason,
            note=why,
            order_id=order_id,
            lot_id=lot_id,
        ),
        by=by,
    )


def _post(entry: LedgerEntry, *, by: Actor, now: datetime | None = None) -> LedgerEntry:
    entry.actor_id, entry.actor_role = by.user_id, by.role
    entry.channel, entry.address = by.channel, by.address
    if now is not None:
        entry.created_at = now
    # The savepoint keeps the caller's transaction usable if the database refuses the entry.
    try:
        with translate_violations(_REFUSALS), transaction.atomic():
            entry.save(force_insert=True)
    except CustomerMerged as error:
        raise refusal_of_closed(customer_id=entry.account_id) from error
    return entry


def check_positive(amount_minor: int) -> None:
    """Checks that an amount can be granted or spent.

    Raises: InvalidAmount if it is not positive or exceeds the limit.
    """
    if amount_minor <= 0:
        raise InvalidAmount("the amount must be positive")
    _within_limit(amount_minor)


def _within_limit(amount_minor: int) -> None:
    try:
        within_limit(amount_minor)
    except AmountError as error:
        raise InvalidAmount(str(error)) from error
