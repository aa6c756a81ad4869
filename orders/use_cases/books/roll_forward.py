from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from billing.queries import cursor_without_timeout
from orders.models import ClosedMonth
from orders.use_cases.books.month import Month

_ROLL_FORWARD = (Path(__file__).parent / "roll_forward.sql").read_text(encoding="utf-8")

# The lines of each book, in the order in which people read them.
BOOKS: Mapping[str, tuple[str, ...]] = {
    "credit": (
        "granted_sold",
        "granted_promotional",
        "granted_compensation",
        "granted_unused_month",
        "spent",
        "expired",
        "reversed",
        "adjusted",
        "transferred",
        "taken_back",
    ),
    "held": ("placed", "captured", "released"),
    "card": ("payment", "refund", "dispute", "dispute_won", "fee", "payout", "payout_returned"),
    "disputed": ("dispute", "dispute_won", "owed", "taken_back"),
    "receivable": ("owed", "written_off"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The roll-forward of one book in one currency, in its smallest unit.

    `books_minor` is the end as the accounts themselves have it; None for a book that no account keeps.
    """

    name: str
    currency: str
    opening_minor: int
    lines: Mapping[str, int]
    books_minor: int | None

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + sum(self.lines.values())

    @property
    def foots(self) -> bool:
        """Tells whether the closing figure is what the accounts say."""
        return self.books_minor in (None, self.closing_minor)

    def as_json(self) -> dict[str, int]:
        """Returns the figures by name, from opening to closing."""
        return {"opening": self.opening_minor, **self.lines, "closing": self.closing_minor}


def roll_forward(*, start: datetime, finish: datetime, after: ClosedMonth | None = None) -> list[Book]:
    """Computes what each book had at the start, what moved it, and what it had at the end, by currency.

    Args: after: a closed month before the start. Its signed figures are added to, where all entries would be read.
    Transaction: one statement, which sees one snapshot of the database.
    """
    with cursor_without_timeout() as cursor:
        since = Month(after.month).finish if after else datetime.min.replace(tzinfo=UTC)
        cursor.execute(_ROLL_FORWARD, {"start": start, "finish": finish, "since": since})
        found: dict[tuple[str, str], dict[str, int]] = {}
        for book, currency, line, amount_minor in cursor.fetchall():
            found.setdefault((currency, book), {})[line] = amount_minor
    for currency, books in after.facts["roll_forward"].items() if after else ():
        for book, signed in books.items():
            lines = found.setdefault((currency, book), {})
            lines["opening"] = lines.get("opening", 0) + signed["closing"]
    return list(_books(found))


def roll_forward_of(month: Month) -> list[Book]:
    """Computes the roll-forward of an open month, from the figures of the last month that was closed before it."""
    closed = ClosedMonth.objects.filter(month__lt=month.first_day).order_by("-month").first()
    return roll_forward(start=month.start, finish=month.finish, after=closed)


def _books(found: Mapping[tuple[str, str], Mapping[str, int]]) -> Iterator[Book]:
    for currency in sorted({settings.SOVEREIGN_CURRENCY, *(currency for currency, _ in found)}):
        for name, lines in BOOKS.items():
            figures = found.get((currency, name), {})
            yield Book(
                name=name,
                currency=currency,
                opening_minor=figures.get("opening", 0),
                lines={line: figures.get(line, 0) for line in lines},
                books_minor=figures.get("books"),
            )
