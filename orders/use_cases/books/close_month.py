"""Closes a month: its roll-forward and its journal are signed, and what is corrected later appears in the open month.

Entries carry the instant of their booking, so nothing new falls into a month that is over. A transaction that began
before the month's end may still write: a month is closed only once there is none.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import NoLedgerSigningSecret, ReasonRequired
from billing.language import say
from billing.local_time import utc_text
from billing.models import Verification
from billing.text import has_visible_text
from billing.use_cases.ledger.record_verification import record_verification
from billing.use_cases.proof.signing import as_text, is_signed, signing_key
from billing.use_cases.record_audit import record_audit
from orders.errors import BooksDoNotFoot, MonthAlreadyClosed, MonthNotOver, MonthOutOfOrder
from orders.models import ClosedMonth
from orders.use_cases.books.journal import Postings, current_postings, journal_lines, summarize
from orders.use_cases.books.month import Month, month_of
from orders.use_cases.books.roll_forward import Book, roll_forward

# Transactions of this service end long before that; the check below finds one that does not.
MIN_AGE = timedelta(hours=1)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('closed months', 0))"
_OLD_TRANSACTION = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND xact_start < %s
                  AND pid <> pg_backend_pid())
"""


def close_month(*, month: Month, why: str, by: Actor, now: datetime | None = None) -> ClosedMonth:
    """Signs the month's figures. Months are closed one after the other, beginning with any.

    Raises: ReasonRequired, MonthNotOver, MonthAlreadyClosed, MonthOutOfOrder, BooksDoNotFoot, NoLedgerSigningSecret.
    Transaction: owns. Locks: closings of months, one after the other.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    key = signing_key()
    if key is None:
        raise NoLedgerSigningSecret
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        last = ClosedMonth.objects.order_by("-month").first()
        _check_turn(month, last=last, now=now or timezone.now())
        cursor.execute(_OLD_TRANSACTION, [month.finish])
        if cursor.fetchone() != (False,):
            raise MonthNotOver("a transaction that began in this month is still running: try again later")
        statement = {
            **compute_figures(month, postings=current_postings()),
            "previous": last.hash if last else "",
            "public_key": as_text(key.public_key()),
        }
        signed = json.dumps(statement, separators=(",", ":"))
        closed = ClosedMonth.objects.create(
            month=month.first_day, statement=signed, signature=key.sign(signed.encode()), closed_by=by.user_id
        )
        record_audit(action="month.closed", object_type="month", object_id=month.name, by=by, reason=why)
    return closed


def compute_figures(month: Month, *, postings: Postings) -> dict[str, Any]:
    """Computes what a closing signs of the month. Raises: BooksDoNotFoot."""
    books = roll_forward(start=month.start, finish=month.finish)
    if wrong := [book for book in books if not book.foots]:
        names = ", ".join(f"{book.name} in {book.currency}" for book in wrong)
        raise BooksDoNotFoot(say("the accounts do not add up to these books: %(names)s", names=names))
    return {
        "kind": "month",
        "month": month.name,
        "from": utc_text(month.start),
        "to": utc_text(month.finish),
        "roll_forward": _by_currency(books),
        **summarize(journal_lines(month, postings=postings)),
        "rules": postings.rules,
        "vat_rates": postings.vat_rates,
    }


def verify_closed_months() -> tuple[int, str]:
    """Computes each closed month again. Returns: how many there are, and the first fault, or an empty text."""
    previous, count = "", 0
    for closed in ClosedMonth.objects.order_by("month"):
        count += 1
        facts = closed.facts
        if not is_signed(
            statement=closed.statement, signature=bytes(closed.signature), public_key=facts["public_key"]
        ):
            return count, f"{closed.name}: no trusted key signed it"
        if facts["previous"] != previous or facts["month"] != closed.name:
            return count, f"{closed.name}: it does not follow the month before"
        postings = Postings(rules=facts["rules"], vat_rates=facts["vat_rates"])
        found = compute_figures(Month(closed.month), postings=postings)
        # An earlier release signed fewer figures.
        signed = {name: value for name, value in found.items() if name in facts}
        if wrong := [name for name, value in signed.items() if _without_zeros(facts[name]) != _without_zeros(value)]:
            return count, f"{closed.name}: {', '.join(wrong)} changed since it was closed"
        previous = closed.hash
    return count, ""


def verify_and_record_months() -> tuple[int, str]:
    """Verifies the closed months as `verify_closed_months` does, and records when and with which result.

    Books that do not foot are a fault too.
    """
    try:
        count, fault = verify_closed_months()
    except BooksDoNotFoot as error:
        count, fault = 0, error.text
    record_verification(Verification.Books.MONTHS, fault=fault)
    return count, fault


def _without_zeros(value: Any) -> Any:
    """Drops figures that are 0, so that a line which later releases add to a book is no change of a closed month."""
    if not isinstance(value, dict):
        return value
    return {name: _without_zeros(each) for name, each in value.items() if each != 0}


def next_month_to_close(*, now: datetime | None = None) -> Month:
    """Returns the month after the last closed one, or else the last one that is over."""
    last = ClosedMonth.objects.order_by("-month").first()
    if last is not None:
        return Month(last.month).next
    current = month_of((now or timezone.now()) - MIN_AGE)
    return month_of(current.start - timedelta(days=1))


def _check_turn(month: Month, *, last: ClosedMonth | None, now: datetime) -> None:
    if now < month.finish + MIN_AGE:
        raise MonthNotOver
    if last is None:
        return
    if month.first_day <= last.month:
        raise MonthAlreadyClosed
    if month != Month(last.month).next:
        raise MonthOutOfOrder(say("%(month)s must be closed first", month=Month(last.month).next.name))


def _by_currency(books: list[Book]) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for book in books:
        found.setdefault(book.currency, {})[book.name] = book.as_json()
    return found
