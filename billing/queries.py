"""Reads of credit and of what a customer has: each function is one query, whatever the history."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import BooleanField, Count, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from .errors import SubscriptionNotFound
from .models import Customer, Invoice, Organization, Subscription

MAX_BALANCE_ENTRIES = 20


def exists_per_row(rows: QuerySet[Any, Any]) -> Coalesce:
    """Whether there is such a row, looked up for each row that is shown.

    Not EXISTS: in a select list the database plans it for the whole table, page or not, and rather collects all such
    rows first.
    """
    return Coalesce(Subquery(rows.order_by().values(yes=Value(True))[:1]), Value(False), output_field=BooleanField())


@contextmanager
def cursor_without_timeout() -> Iterator[CursorWrapper]:
    """A cursor for what reads all there is: it may take longer than a request's statement may.

    Transaction: owns; joined, the statement timeout stays off until the other's ends.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        yield cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A ledger entry as its owner sees it; `amount_minor` is negative for a spend."""

    id: UUID
    amount_minor: int
    reason: str
    order_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A customer's credit, smallest unit; `entries` are the newest first."""

    credit_minor: int
    held_minor: int
    entries: tuple[Entry, ...]

    @property
    def available_minor(self) -> int:
        return self.credit_minor - self.held_minor


_BALANCE = """
SELECT account.balance_minor, account.held_minor,
       entry.id, entry.amount_minor, entry.reason, entry.order_id, entry.created_at
  FROM billing_customer AS customer
  JOIN billing_account AS account ON account.customer_id = customer.id
  LEFT JOIN LATERAL (SELECT * FROM billing_ledgerentry
                      WHERE account_id = account.customer_id ORDER BY version DESC LIMIT %s) AS entry ON true
 WHERE customer.user_id = %s
 ORDER BY entry.version DESC
"""


def balance_of(*, user_id: str) -> Balance:
    """The customer's balance and newest entries; zeros for a customer never seen. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE, [MAX_BALANCE_ENTRIES, user_id])
        rows = cursor.fetchall()
    if not rows:
        return Balance(credit_minor=0, held_minor=0, entries=())
    return Balance(
        credit_minor=rows[0][0],
        held_minor=rows[0][1],
        entries=tuple(
            Entry(id=identity, amount_minor=amount, reason=reason, order_id=order_id, created_at=created_at)
            for _, _, identity, amount, reason, order_id, created_at in rows
            if identity is not None
        ),
    )


def organizations_of(*, user_id: str) -> QuerySet[Organization, Organization]:
    """The caller's organizations that are not deleted, newest first."""
    return (
        Organization.objects.filter(customer__user_id=user_id)
        .exclude(status=Organization.Status.DELETED)
        .order_by("-created_at", "-id")
    )


def slug_is_free(slug: str) -> bool:
    """Whether no organization that is not deleted has this address."""
    return not Organization.objects.filter(slug=slug).exclude(status=Organization.Status.DELETED).exists()


def subscription_of(*, user_id: str, organization_id: UUID | None = None) -> Subscription:
    """The organization's newest subscription, or the caller's newest. Raises: SubscriptionNotFound."""
    mine = Subscription.objects.filter(customer__user_id=user_id)
    if organization_id is not None:
        mine = mine.filter(organization_id=organization_id)
    found = mine.order_by("-created_at", "-id").first()
    if found is None:
        raise SubscriptionNotFound
    return found


def invoices_of(*, user_id: str, organization_id: UUID | None = None) -> QuerySet[Invoice, Invoice]:
    """The caller's invoices, newest first, of one organization or of all."""
    mine = Invoice.objects.filter(customer__user_id=user_id)
    if organization_id is not None:
        mine = mine.filter(organization_id=organization_id)
    return mine.order_by("-created_at", "-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """What staff see first; `mrr_minor` is every active subscription's monthly price, smallest unit."""

    mrr_minor: int
    total_customers: int
    new_this_month: int
    active_subscriptions: int


def revenue(*, now: datetime) -> Revenue:
    """Recurring revenue and customers; a month begins on the first, UTC. Two queries."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    active = Subscription.objects.filter(status=Subscription.Status.ACTIVE)
    subscriptions: dict[str, Any] = active.aggregate(mrr=Coalesce(Sum("amount_minor"), 0), number=Count("pk"))
    customers: dict[str, Any] = Customer.objects.aggregate(
        number=Count("pk"), new=Count("pk", filter=Q(created_at__gte=month))
    )
    return Revenue(
        mrr_minor=int(subscriptions["mrr"]),
        total_customers=customers["number"],
        new_this_month=customers["new"],
        active_subscriptions=subscriptions["number"],
    )
