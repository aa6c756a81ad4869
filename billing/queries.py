"""Queries for a customer's credit, organizations, subscriptions and invoices.

The number of queries never depends on the length of the history: one for each function, two for `revenue` and for a
balance with lots.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import BooleanField, Count, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from .database.shared_read import Read, SharedRead
from .database.shared_read import Row as SharedRow
from .errors import SubscriptionNotFound
from .models import Customer, Invoice, LedgerEntry, Organization, OrganizationMember, Subscription, User
from .organization_roles import OrganizationRole

Row = TypeVar("Row", Subscription, Invoice)

# A balance shows only the newest ledger entries, and the credit that expires soonest.
MAX_BALANCE_ENTRIES = 20
MAX_BALANCE_LOTS = 100


def exists_per_row(rows: QuerySet[Any, Any]) -> Coalesce:
    """Returns an annotation that says whether a matching row exists, looked up once for each row of the page.

    PostgreSQL plans EXISTS in a select list for the whole table, even if the page has few rows, and may collect all
    matching rows first. A scalar subquery with LIMIT 1 is evaluated only for the rows that are returned.
    """
    return Coalesce(Subquery(rows.order_by().values(yes=Value(True))[:1]), Value(False), output_field=BooleanField())


@contextmanager
def cursor_without_timeout() -> Iterator[CursorWrapper]:
    """Opens a cursor for statements that read the whole history and so outlast a request's statement timeout.

    Transaction: owns. Inside another transaction, the statement timeout stays off until that one ends.
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
class CreditLeft:
    """The rest of an account's credit of one class that expires at one instant, or never."""

    amount_minor: int
    expiring_minor: int
    expires_at: datetime | None
    credit_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextExpiry:
    """The credit that expires next. Held credit does not expire."""

    amount_minor: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A customer's credit in the currency's smallest unit, with the newest ledger entries first.

    `lots` is empty for an account without expiring credit; else the soonest expiry is first.
    """

    credit_minor: int
    held_minor: int
    entries: tuple[Entry, ...]
    lots: tuple[CreditLeft, ...] = ()

    @property
    def available_minor(self) -> int:
        return self.credit_minor - self.held_minor

    @property
    def next_expiry(self) -> NextExpiry | None:
        expiring = [lot for lot in self.lots if lot.expiring_minor]
        if not expiring or expiring[0].expires_at is None:
            return None
        first = expiring[0].expires_at
        amount_minor = sum(lot.expiring_minor for lot in expiring if lot.expires_at == first)
        return NextExpiry(amount_minor=amount_minor, expires_at=first)


_BALANCE = """
SELECT account.balance_minor - CASE WHEN account.next_expiry <= statement_timestamp()
         THEN billing_expired_minor(account.customer_id, statement_timestamp()) ELSE 0 END, account.held_minor,
       account.lots_since IS NOT NULL, entry.id, entry.amount_minor, entry.reason, entry.order_id, entry.created_at
  FROM billing_customer AS customer
  JOIN billing_account AS account ON account.customer_id = customer.id
  LEFT JOIN LATERAL (SELECT * FROM billing_ledgerentry
                      WHERE account_id = account.customer_id ORDER BY version DESC LIMIT %s) AS entry ON true
 WHERE customer.user_id = %s
 ORDER BY entry.version DESC
"""

# Of a lot that has expired, only the held part is left.
_LOTS = """
SELECT lot.amount_minor, CASE WHEN lot.expires_at IS NULL THEN 0 ELSE lot.free_minor END, lot.expires_at,
       lot.credit_class
  FROM billing_customer AS customer
 CROSS JOIN LATERAL (
       SELECT sum(CASE WHEN expires_at <= statement_timestamp() THEN held_minor ELSE left_minor END)::bigint
                AS amount_minor,
              sum(CASE WHEN expires_at <= statement_timestamp() THEN 0 ELSE left_minor - held_minor END)::bigint
                AS free_minor,
              expires_at, credit_class
         FROM billing_lot WHERE account_id = customer.id AND left_minor > 0
        GROUP BY expires_at, credit_class) AS lot
 WHERE customer.user_id = %s AND lot.amount_minor > 0
 ORDER BY lot.expires_at, lot.credit_class
 LIMIT %s
"""


def balance_of(*, user_id: str, with_lots: bool = False) -> Balance:
    """Returns the customer's balance and newest entries, or zeros for a user without a customer row.

    The balance is that of now: what has expired does not count, also where no entry tells of it yet. One query; a
    second one reads the lots of an account that has some.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BALANCE, [MAX_BALANCE_ENTRIES, user_id])
        rows = cursor.fetchall()
        if not rows:
            return Balance(credit_minor=0, held_minor=0, entries=())
        lots = []
        if with_lots and rows[0][2]:
            cursor.execute(_LOTS, [user_id, MAX_BALANCE_LOTS])
            lots = cursor.fetchall()
    return Balance(
        credit_minor=rows[0][0],
        held_minor=rows[0][1],
        entries=tuple(
            Entry(id=identity, amount_minor=amount, reason=reason, order_id=order_id, created_at=created_at)
            for _, _, _, identity, amount, reason, order_id, created_at in rows
            if identity is not None
        ),
        lots=tuple(
            CreditLeft(amount_minor=amount, expiring_minor=expiring, expires_at=expires_at, credit_class=credit_class)
            for amount, expiring, expires_at, credit_class in lots
        ),
    )


def entries_of(*, user_id: str) -> QuerySet[LedgerEntry, LedgerEntry]:
    """Returns the user's ledger entries, newest first. `version` numbers them from 1 without a gap. One query."""
    return LedgerEntry.objects.filter(account__customer__user_id=user_id).order_by("-version")


def members_of(organization: Organization) -> list[OrganizationMember]:
    """Returns the owner, as a member that is not stored, then members and invitations, oldest first. One query."""
    owner = OrganizationMember(
        id=organization.id,
        organization=organization,
        customer=organization.customer,
        email=organization.customer.email,
        role=OrganizationRole.OWNER,
        joined_at=organization.created_at,
    )
    members = OrganizationMember.objects.select_related("customer").filter(organization=organization)
    return [owner, *members.order_by("joined_at", "id")]


def slug_is_reserved(slug: str) -> bool:
    """Tells whether no organization may take this slug: it is the Sovereign's own, or is shown in other letters.

    Browsers show an address that begins with `xn--` in the letters that it encodes.
    """
    return slug in settings.RESERVED_SLUGS or slug.startswith("xn--")


def slug_is_free(slug: str) -> bool:
    """Tells whether a new organization may take this slug. A deleted organization gives its slug back."""
    taken = Organization.objects.filter(slug=slug).exclude(status=Organization.Status.DELETED)
    return not slug_is_reserved(slug) and not taken.exists()


def owned_organizations(*, user_id: str) -> QuerySet[Organization, Organization]:
    """Returns the organizations that the user owns and has not deleted, newest first. One query."""
    owned = Organization.objects.filter(customer__user_id=user_id).exclude(status=Organization.Status.DELETED)
    return owned.order_by("-created_at", "-id")


def subscription_of(*, user_id: str = "", organization_id: UUID | None = None) -> Subscription:
    """Returns the newest subscription of the organization, or that the user pays for if none is given.

    Raises: SubscriptionNotFound.
    """
    found = _of(Subscription.objects.all(), user_id, organization_id).first()
    if found is None:
        raise SubscriptionNotFound
    return found


def invoices_of(*, user_id: str = "", organization_id: UUID | None = None) -> QuerySet[Invoice, Invoice]:
    """Returns the invoices, newest first, of one organization, or of all that the user pays for if none is given."""
    return _of(Invoice.objects.all(), user_id, organization_id)


def _of(rows: QuerySet[Row], user_id: str, organization_id: UUID | None) -> QuerySet[Row]:
    if organization_id is None:
        return rows.filter(customer__user_id=user_id).order_by("-created_at", "-id")
    return rows.filter(organization_id=organization_id).order_by("-created_at", "-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """Recurring revenue and customer counts. `mrr_minor` sums the monthly price of all active subscriptions."""

    mrr_minor: int
    total_customers: int
    new_this_month: int
    active_subscriptions: int


def revenue(*, now: datetime) -> Revenue:
    """Computes recurring revenue and customer counts. A month begins on its first day, in UTC. Two queries."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    active = Subscription.objects.filter(status=Subscription.Status.ACTIVE)
    subscriptions: dict[str, Any] = active.aggregate(mrr=Coalesce(Sum("amount_minor"), 0), number=Count("pk"))
    customers: dict[str, Any] = Customer.objects.filter(merged_into=None).aggregate(
        number=Count("pk"), new=Count("pk", filter=Q(created_at__gte=month))
    )
    return Revenue(
        mrr_minor=int(subscriptions["mrr"]),
        total_customers=customers["number"],
        new_this_month=customers["new"],
        active_subscriptions=subscriptions["number"],
    )


_SIGNED_IN_COLUMNS = (
    "id",
    "sub",
    "username",
    "email",
    "first_name",
    "last_name",
    "avatar_url",
    "is_active",
    "is_superuser",
    "date_joined",
    "updated_at",
)
_SIGNED_IN_STATEMENT = f"""
SELECT asked.position,
       (SELECT json_agg(g.name) FROM auth_group g JOIN billing_user_groups m ON m.group_id = g.id
         WHERE m.user_id = u.id)::text,
       {", ".join(f"u.{name}" for name in _SIGNED_IN_COLUMNS)}
  FROM unnest(ARRAY(SELECT unnest(%s::text[]))) WITH ORDINALITY AS asked (key, position)
"""  # noqa: S608 - the names of our own columns
_BY_USER_ID = "JOIN billing_user u ON u.sub = asked.key"
_BY_SESSION = """
  JOIN billing_signinsession s ON s.id = asked.key::uuid AND s.ended_at IS NULL
  JOIN billing_user u ON u.id = s.user_id AND u.is_active
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInUser:
    """The user of a token, with the names of the user's groups."""

    user: User
    groups: list[str]


def find_signed_in_user(*, user_id: str) -> Read[SignedInUser] | Customer | None:
    """Returns the user of a token. Front ends ask on every page. One query.

    A platform's user who never signed in here has only a customer, which is a second query. None for a user who may
    not sign in any more.
    """
    found = _SIGNED_IN.read(user_id)
    if found.value is None:
        return Customer.objects.filter(user_id=user_id, merged_into=None).exclude(email="").first()
    return cast("Read[SignedInUser]", found) if found.value.user.is_active else None


def find_user_of_session(*, session_id: UUID) -> Read[SignedInUser] | None:
    """Returns the user of a session that lasts, or None if it has ended or its user may not sign in. One query."""
    found = _SESSIONS.read(str(session_id))
    return cast("Read[SignedInUser]", found) if found.value else None


def _make_signed_in(rows: tuple[SharedRow, ...]) -> SignedInUser | None:
    for groups, *values in rows:
        user = User(**dict(zip(_SIGNED_IN_COLUMNS, values, strict=True)))
        return SignedInUser(user=user, groups=json.loads(groups) if groups else [])
    return None


_SIGNED_IN = SharedRead(_SIGNED_IN_STATEMENT + _BY_USER_ID, _make_signed_in)
_SESSIONS = SharedRead(_SIGNED_IN_STATEMENT + _BY_SESSION, _make_signed_in)
