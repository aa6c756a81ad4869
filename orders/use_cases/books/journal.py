import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from io import StringIO
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.actor import Actor
from billing.local_time import utc_text
from billing.money import exponent
from billing.use_cases.record_audit import record_audit
from orders.models import ClosedMonth, PostingRule, VatRate
from orders.use_cases.books.month import Month

_JOURNAL = (Path(__file__).parent / "journal.sql").read_text(encoding="utf-8")
_TOTALS = """
SELECT account, cost_centre, currency, sum(debit_minor)::bigint, sum(credit_minor)::bigint
  FROM (<journal>) AS journal GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""".replace("<journal>", _JOURNAL)
COLUMNS = ("time", "event", "entry", "order", "account", "cost_centre", "debit", "credit", "currency")
_LINES_A_CHUNK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """The rules and the rates of VAT that a journal uses, as JSON values."""

    rules: list[dict[str, str]]
    vat_rates: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the journal, in the currency's smallest unit. One of debit and credit is 0."""

    at: datetime
    event: str
    entry_id: UUID
    order_id: UUID | None
    account: str
    cost_centre: str
    debit_minor: int
    credit_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class AccountTotal:
    """The total that a journal posts to one account."""

    account: str
    cost_centre: str
    currency: str
    debit_minor: int
    credit_minor: int


def current_postings() -> Postings:
    """Reads the rules and rates as they are now. Two queries."""
    rules = [
        {
            "event": rule.event,
            "debit": rule.debit,
            "credit": rule.credit,
            "vat": rule.vat,
            "cost_centre": rule.cost_centre,
            "revenue_side": PostingRule.REVENUE_SIDES.get(PostingRule.Event(rule.event), ""),
        }
        for rule in PostingRule.objects.order_by("event")
    ]
    rates = VatRate.objects.order_by("starts_on")
    return Postings(
        rules=rules,
        vat_rates=[{"starts_on": str(rate.starts_on), "basis_points": rate.basis_points} for rate in rates],
    )


def postings_of(month: Month) -> Postings:
    """Returns the rules and rates that the closed month used, or else today's."""
    closed = ClosedMonth.objects.filter(month=month.first_day).first()
    if closed is None:
        return current_postings()
    return Postings(rules=closed.facts["rules"], vat_rates=closed.facts["vat_rates"])


def journal_lines(month: Month, *, postings: Postings) -> Iterator[Line]:
    """Yields the month's lines in their order. Memory stays the same however many there are.

    Transaction: owns, one snapshot, until the last line is read.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        with connection.chunked_cursor() as chunked:
            chunked.execute(_JOURNAL, _parameters(month, postings))
            while rows := chunked.fetchmany(_LINES_A_CHUNK):
                yield from (Line(*row) for row in rows)


def journal_totals(month: Month, *, postings: Postings) -> list[AccountTotal]:
    """Computes what the month posts to each account. One query."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_TOTALS, _parameters(month, postings))
        return [AccountTotal(*row) for row in cursor.fetchall()]


def hand_out_journal(month: Month, *, by: Actor, reason: str) -> Iterator[str]:
    """Yields the month's journal as CSV for a member of staff, and records that in the audit trail first."""
    record_audit(action="month.journal_exported", object_type="month", object_id=month.name, by=by, reason=reason)
    return write_csv(journal_lines(month, postings=postings_of(month)))


def write_csv(lines: Iterable[Line]) -> Iterator[str]:
    """Yields the journal as CSV: a header, then a text for each line. The same lines give the same bytes."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        yield _taken(buffer)
        writer.writerow(
            (
                utc_text(line.at),
                line.event,
                line.entry_id,
                line.order_id or "",
                line.account,
                line.cost_centre,
                _decimal(line.debit_minor, line.currency),
                _decimal(line.credit_minor, line.currency),
                line.currency,
            )
        )
    yield _taken(buffer)


def summarize(lines: Iterable[Line]) -> dict[str, Any]:
    """Returns `journal`: the number of lines, the totals by currency, and the SHA-256 of the CSV; and `accounts`."""
    digest, totals, count = hashlib.sha256(), dict[tuple[str, str, str], list[int]](), 0

    def counted() -> Iterator[Line]:
        nonlocal count
        for line in lines:
            count += 1
            total = totals.setdefault((line.account, line.cost_centre, line.currency), [0, 0])
            total[0] += line.debit_minor
            total[1] += line.credit_minor
            yield line

    for text in write_csv(counted()):
        digest.update(text.encode())
    accounts = [AccountTotal(*key, *total) for key, total in sorted(totals.items())]
    sums: dict[str, dict[str, int]] = {}
    for account in sorted(accounts, key=attrgetter("currency")):
        sums.setdefault(account.currency, {"debit": 0, "credit": 0})
        sums[account.currency]["debit"] += account.debit_minor
        sums[account.currency]["credit"] += account.credit_minor
    return {
        "journal": {"lines": count, "totals": sums, "sha256": digest.hexdigest()},
        "accounts": [asdict(account) for account in accounts],
    }


def _parameters(month: Month, postings: Postings) -> dict[str, Any]:
    return {
        "start": month.start,
        "finish": month.finish,
        "rules": json.dumps(postings.rules),
        "rates": json.dumps(postings.vat_rates),
        "zone": settings.SOVEREIGN_TIME_ZONE,
    }


def _taken(buffer: StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _decimal(minor: int, currency: str) -> str:
    """Formats an amount with all decimals of its currency, as spreadsheets read it."""
    return f"{Decimal(minor).scaleb(-exponent(currency)):.{exponent(currency)}f}"
