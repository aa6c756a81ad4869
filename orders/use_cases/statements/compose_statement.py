"""Composes a customer's statement of a month: the balance before it, every entry in words, the balance after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from billing.models import Account, LedgerEntry
from orders.errors import InvalidMonth, StatementTooLong
from orders.models import Order
from orders.use_cases.books.month import Month, month_of
from orders.use_cases.ledger.explain_to_customer import words_of_reason

MAX_LINES = 2_000
MAX_MONTHS_LISTED = 120
_LAST_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """A change of the balance in words, and the balance after it. `organization` is that of its order."""

    id: UUID
    at: datetime
    words: str
    amount_minor: int
    balance_minor: int
    order_id: UUID | None
    organization: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month of a customer's credit, smallest unit. The opening and all lines make the closing."""

    month: Month
    email: str
    opening_minor: int
    lines: tuple[StatementLine, ...]
    closing_minor: int
    made_at: datetime

    @property
    def is_over(self) -> bool:
        """Tells whether nothing can be added to the month any more."""
        return self.month.finish <= self.made_at


def compose_statement(*, user_id: str, month: Month, now: datetime | None = None) -> Statement:
    """Composes the statement of a user, of zeros for one without credit. Up to six queries.

    Raises: InvalidMonth for one that has not begun; StatementTooLong.
    """
    now = now or timezone.now()
    if month.start > now:
        raise InvalidMonth("this month has not begun")
    account = Account.objects.select_related("customer").filter(customer__user_id=user_id).first()
    if account is None:
        return Statement(month=month, email="", opening_minor=0, lines=(), closing_minor=0, made_at=now)
    first, last = (_version_before(account, moment) for moment in (month.start, month.finish))
    if last - first > MAX_LINES:
        raise StatementTooLong
    # With the entry before the month, which has the opening balance.
    entries = list(account.entries.filter(version__gte=first, version__lte=last).order_by("version"))
    opening = entries.pop(0).balance_after_minor if first else 0
    return Statement(
        month=month,
        email=account.customer.email,
        opening_minor=opening,
        lines=_lines(entries),
        closing_minor=entries[-1].balance_after_minor if entries else opening,
        made_at=now,
    )


def months_of_statements(*, user_id: str, now: datetime | None = None) -> list[Month]:
    """Returns the months since the user's first entry, newest first. Two queries."""
    entries = LedgerEntry.objects.filter(account__customer__user_id=user_id)
    first = entries.order_by("version").values_list("created_at", flat=True).first()
    if first is None:
        return []
    month, newest = month_of(first), month_of(now or timezone.now())
    months = [month]
    while month != newest:
        month = month.next
        months.append(month)
    return months[::-1][:MAX_MONTHS_LISTED]


def _version_before(account: Account, moment: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_version_at(%s, %s)", [account.pk, moment - _LAST_MOMENT])
        version: int = cursor.fetchone()[0]
    return version


def _lines(entries: list[LedgerEntry]) -> tuple[StatementLine, ...]:
    orders = {each.order_id for each in entries if each.order_id}
    names = dict(Order.objects.filter(id__in=orders).values_list("id", "organization__name"))
    return tuple(
        StatementLine(
            id=entry.id,
            at=entry.created_at,
            words=words_of_reason(entry.reason, is_credit=entry.amount_minor > 0),
            amount_minor=entry.amount_minor,
            balance_minor=entry.balance_after_minor,
            order_id=entry.order_id,
            organization=names.get(entry.order_id, "") if entry.order_id else "",
        )
        for entry in entries
    )
