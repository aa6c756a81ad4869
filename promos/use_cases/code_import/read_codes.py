"""Reads voucher codes and their terms from a CSV file, and names each bad row by its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.errors import InvalidFile
from billing.language import say
from billing.local_time import read_written_time
from billing.use_cases.bulk.cells import Problem, decimal_mark, read_amount
from billing.use_cases.bulk.csv_rows import BadRow, Row, describe_shortened, is_shortened, read_table
from promos.models import Campaign, Card, PromoCode
from promos.models.batch import normal_card_code
from promos.models.promo_code import CODE_MATCH
from promos.queries import normal_code
from promos.use_cases.code_import.restriction_cells import TITLES, RestrictionCells
from promos.use_cases.issue_code import MAX_CAP

# They are issued in one transaction, which keeps other codes from being created.
MAX_CODES = 500
MAX_DESCRIPTION_LENGTH = 500
_CODE, _CREDIT, _CAP = {"code", "voucher"}, {"credit", "amount", "value"}, {"cap", "max_redemptions", "limit"}
_STARTS, _ENDS = {"starts_at", "valid from", "from"}, {"expires_at", "valid until", "until", "to"}
_CAMPAIGN, _DESCRIPTION = {"campaign"}, {"description"}
_COLUMNS = (_CODE, _CREDIT, _CAP, _STARTS, _ENDS, _CAMPAIGN, _DESCRIPTION)
_WHOLE = re.compile(r"[0-9]{1,13}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow:
    """A code of a file, with its terms as JSON values, and its campaign; None for the default one."""

    line: int
    code: str
    terms: dict[str, Any]
    campaign_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """The rows of a file, in the file's order, and its bad rows."""

    rows: list[CodeRow]
    bad_rows: list[BadRow]


def read_codes(content: bytes) -> CodeList:
    """Reads a file with titles: code, credit, cap, and optionally starts_at, expires_at, campaign and description.

    Columns of restrictions may be added (restriction_cells.py).

    A cap of 0 is unlimited. A time without an offset is in the Sovereign's time zone. A code that exists with other
    terms is bad, and so is one that a card has.

    Raises: InvalidFile where it is no such file at all. Transaction: none.
    """
    table = read_table(content, titles=set().union(TITLES, *_COLUMNS), max_rows=MAX_CODES)
    columns = [table.column(names) for names in _COLUMNS]
    if None in columns[:3]:
        raise InvalidFile(fields={"file": ["the columns must be called code, credit and cap"]})
    if not table.rows and not table.bad_rows:
        raise InvalidFile(fields={"file": ["the file has no code"]})
    campaigns = dict(Campaign.objects.exclude(status=Campaign.Status.ENDED).values_list("name", "pk"))
    mark, restrictions = decimal_mark(table, columns[1]), RestrictionCells(table)
    rows, bad_rows = [], list(table.bad_rows)
    for row in table.rows:
        values = _read_row(row, columns, mark, {name.casefold(): str(key) for name, key in campaigns.items()})
        values |= restrictions.read(row)
        problems = [say(value.why) for value in values.values() if isinstance(value, Problem)]
        code, campaign_id = values.pop("code"), values.pop("campaign_id")
        if (
            not problems
            and values["starts_at"]
            and values["expires_at"]
            and values["starts_at"] >= values["expires_at"]
        ):
            problems.append(say("the end must be later than the start"))
        if problems:
            bad_rows.append(BadRow(row.line, "; ".join(problems)))
        else:
            terms = {name: _as_json(value) for name, value in values.items()}
            rows.append(CodeRow(line=row.line, code=code, terms=terms, campaign_id=campaign_id))
    bad_rows += [*_find_repeated(rows), *find_taken(rows)]
    return CodeList(rows=rows, bad_rows=sorted(bad_rows, key=lambda row: row.line))


def find_taken(rows: list[CodeRow]) -> Iterator[BadRow]:
    """Yields the rows whose code exists with other terms, or is that of a card. Two queries."""
    existing = {code.code: code for code in PromoCode.objects.filter(code__in=[row.code for row in rows])}
    cards = {normal_card_code(row.code) for row in rows}
    of_cards = set(Card.objects.filter(code__in=cards).values_list("code", flat=True))
    for row in rows:
        if normal_card_code(row.code) in of_cards:
            yield BadRow(row.line, say("a card has the code %(code)s", code=row.code))
        elif (found := existing.get(row.code)) and not has_terms(found, row):
            yield BadRow(row.line, say("%(code)s exists already with other terms", code=row.code))


def has_terms(code: PromoCode, row: CodeRow) -> bool:
    """Returns whether a code is exactly as its row would make it."""
    same = all(_as_json(getattr(code, name)) == value for name, value in row.terms.items())
    return (
        same and not code.for_cards and code.retired_at is None and row.campaign_id in (None, str(code.campaign_id))
    )


def _read_row(row: Row, columns: list[int | None], mark: str, campaigns: dict[str, str]) -> dict[str, Any]:
    code, credit, cap, starts_at, ends_at, campaign, description = (row.cell(column) for column in columns)
    return {
        "code": _read_code(code),
        "credit_minor": read_amount(credit, mark),
        "max_redemptions": _read_cap(cap),
        "starts_at": _read_time(starts_at),
        "expires_at": _read_time(ends_at),
        "description": description[:MAX_DESCRIPTION_LENGTH],
        "campaign_id": _read_campaign(campaign, campaigns),
    }


def _read_code(text: str) -> str | Problem:
    if not text:
        return Problem("the code is missing")
    if is_shortened(text):
        return Problem(describe_shortened(text))
    code = normal_code(text)
    if not CODE_MATCH.fullmatch(code):
        return Problem(
            say("%(text)s is not a code: 3 to 64 of the letters A-Z, digits, '-' and '_'", text=repr(text[:80]))
        )
    return code


def _read_cap(text: str) -> int | Problem:
    if not text:
        return Problem("the cap is missing: 0 is unlimited")
    if is_shortened(text):
        return Problem(describe_shortened(text))
    if not _WHOLE.fullmatch(text) or int(text) > MAX_CAP:
        return Problem(say("%(text)s is not a cap: 0 (unlimited) or a positive number", text=repr(text[:40])))
    return int(text)


def _read_time(text: str) -> datetime | Problem | None:
    if not text:
        return None
    try:
        return read_written_time(text)
    except ValueError:
        return Problem(say("%(text)s is not a time: write 2026-12-31 23:59", text=repr(text[:40])))


def _read_campaign(text: str, campaigns: dict[str, str]) -> str | Problem | None:
    if not text:
        return None
    if text.casefold() in campaigns:
        return campaigns[text.casefold()]
    return Problem(say("there is no campaign %(name)s that takes codes", name=repr(text[:80])))


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _find_repeated(rows: list[CodeRow]) -> Iterator[BadRow]:
    """Yields the rows that name the code of an earlier row again."""
    first: dict[str, int] = {}
    for row in rows:
        if (earlier := first.setdefault(row.code, row.line)) != row.line:
            yield BadRow(row.line, say("names the code of line %(line)s again", line=earlier))
