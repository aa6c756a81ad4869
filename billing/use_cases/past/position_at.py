"""A customer's balance, held credit and lots as of a past instant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from billing.models import Customer

# A page or an answer shows at most this many lots.
MAX_LOTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LotAt:
    """The rest of the credit that one ledger entry brought. `held_minor` is the part set aside for payments."""

    entry_id: UUID
    credit_class: str
    expires_at: datetime | None
    brought_minor: int
    left_minor: int
    held_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAt:
    """A customer's credit at an instant.

    `balance_minor` is the sum of the entries until then. `expired_minor` is the part of it that had expired without
    an expiry entry. `corrected_minor` is the balance with the reversals that followed later.
    """

    at: datetime
    user_id: str
    entries: int
    balance_minor: int
    held_minor: int
    expired_minor: int
    corrected_minor: int
    lots: tuple[LotAt, ...] = ()

    @property
    def available_minor(self) -> int:
        return self.balance_minor - self.held_minor - self.expired_minor


_POSITION = "SELECT * FROM billing_position_at(%s, %s)"
_LOTS = """
SELECT entry, class, expiry, brought_minor, rest_minor, pinned_minor FROM billing_lots_at(%s, %s, %s) LIMIT %s
"""


def position_at(customer: Customer, *, at: datetime, with_lots: bool = False) -> PositionAt:
    """Returns a customer's credit at an instant, exact to the microsecond of an entry. One query, two with lots.

    In accounts whose credit never expired, held credit is not set aside from lots.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POSITION, [customer.pk, at])
        version, balance, held, expired, corrected = cursor.fetchone()
        lots = []
        if with_lots:
            cursor.execute(_LOTS, [customer.pk, version, at, MAX_LOTS])
            lots = cursor.fetchall()
    return PositionAt(
        at=at,
        user_id=customer.user_id,
        entries=version,
        balance_minor=balance,
        held_minor=held,
        expired_minor=expired,
        corrected_minor=corrected,
        lots=tuple(
            LotAt(
                entry_id=entry,
                credit_class=credit_class,
                expires_at=expiry,
                brought_minor=brought,
                left_minor=left,
                held_minor=pinned,
            )
            for entry, credit_class, expiry, brought, left, pinned in lots
        ),
    )
