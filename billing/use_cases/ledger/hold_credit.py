"""Holds: credit set aside for an order while its payment is open.

A hold is either captured, which turns it into a spend, or released.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import HoldNotActive, InsufficientCredit, InvalidAmount, OrderHasHold, translate_violations
from billing.locks import lock_account
from billing.models import Hold, LedgerEntry
from billing.use_cases.ledger.post_entry import spend_credit


def hold_credit(*, customer_id: int, amount_minor: int, order_id: UUID, now: datetime | None = None) -> Hold:
    """Sets credit aside for an order, the soonest to expire first. An order has at most one hold.

    Held credit does not expire. If the hold is released after the expiry, the credit expires then.

    Args: amount_minor: positive, smallest unit, at most what is available.
    Raises: InvalidAmount, InsufficientCredit, OrderHasHold, CustomerNotFound. Locks: Account.
    Transaction: joins.
    """
    if amount_minor <= 0:
        raise InvalidAmount("the amount must be positive")
    refusals = {
        "billing_account_balance_covers_held": InsufficientCredit,
        "billing_hold_once_per_order": OrderHasHold,
    }
    with translate_violations(refusals), transaction.atomic():
        lock_account(customer_id=customer_id, now=now)
        moment = {} if now is None else {"created_at": now}
        return Hold.objects.create(account_id=customer_id, order_id=order_id, amount_minor=amount_minor, **moment)


def capture_hold(*, order_id: UUID, by: Actor, now: datetime | None = None) -> LedgerEntry:
    """Turns an order's hold into a spend of exactly the held amount.

    Raises: HoldNotActive if the order has no active hold. Locks: Account. Transaction: joins.
    """
    with transaction.atomic():
        active = _locked_active_hold(order_id)
        if active is None:
            raise HoldNotActive
        _close(active, status=Hold.Status.CAPTURED)
        return spend_credit(
            customer_id=active.account_id, amount_minor=active.amount_minor, order_id=order_id, by=by, now=now
        )


def release_hold(*, order_id: UUID) -> Hold | None:
    """Makes an order's held credit available again. Returns None if nothing is held.

    Locks: Account. Transaction: joins. Idempotency: a second call changes nothing.
    """
    with transaction.atomic():
        active = _locked_active_hold(order_id)
        if active is not None:
            _close(active, status=Hold.Status.RELEASED)
        return active


def _locked_active_hold(order_id: UUID) -> Hold | None:
    # At most one hold of an order is not released. Asking for the active one, PostgreSQL may read all active holds.
    found = Hold.objects.filter(order_id=order_id).exclude(status=Hold.Status.RELEASED).first()
    if found is None or found.status != Hold.Status.ACTIVE:
        return None
    lock_account(customer_id=found.account_id)
    # Races with another capture or release of the same hold, so the hold is read again under the lock.
    return Hold.objects.filter(id=found.id, status=Hold.Status.ACTIVE).first()


def _close(active: Hold, *, status: Hold.Status) -> None:
    active.status, active.closed_at = status, timezone.now()
    active.save(update_fields=["status", "closed_at"])
