"""Reads serial numbers from a CSV file as spreadsheets write it, and names each bad row by its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from billing.errors import InvalidFile
from billing.language import say
from billing.use_cases.bulk.csv_rows import BadRow, Row, Table, describe_shortened, is_scientific, read_table
from promos.models import Batch

MAX_ROWS = 50_000
_FIRST_TITLES = {"serial", "serial number", "serial_number", "first", "first serial", "first_serial", "from"}
_LAST_TITLES = {"last", "last serial", "last_serial", "to"}
_WHOLE = re.compile(r"([0-9]{1,18})([.,]0+)?")
_GROUPED = re.compile(r"[0-9]{1,3}([ ,.'\u202f][0-9]{3})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serials:
    """The serial numbers of a file, in the file's order, and its bad rows."""

    spans: list[tuple[int, int]]
    bad_rows: list[BadRow]


def read_serials(content: bytes, *, batch: Batch) -> Serials:
    """Reads a file with one serial number in each row, or a first and a last one.

    The file may have a row of titles and other columns. Every number must be of the batch, and none may come twice.

    Raises: InvalidFile where it is no such file at all.
    """
    table = read_table(content, titles=_FIRST_TITLES | _LAST_TITLES, max_rows=MAX_ROWS)
    first, last = _find_columns(table)
    found: list[tuple[int, int, int]] = []
    bad_rows = list(table.bad_rows)
    for row in table.rows:
        span = _read_span(row, first, last, batch)
        if isinstance(span, str):
            bad_rows.append(BadRow(row.line, span))
        else:
            found.append((*span, row.line))
    bad_rows += _find_repeated(found)
    return Serials(spans=[(low, high) for low, high, _ in found], bad_rows=sorted(bad_rows, key=lambda row: row.line))


def _find_columns(table: Table) -> tuple[int, int | None]:
    """Returns the columns of the first and the last serial number. Raises: InvalidFile."""
    if not table.rows:
        raise InvalidFile(fields={"file": ["the file has no serial number"]})
    first, last = table.column(_FIRST_TITLES), table.column(_LAST_TITLES)
    if table.titles and first is not None:
        return first, last
    cells = table.rows[0].cells
    if table.titles or not any(character.isdigit() for character in cells[0]):
        raise InvalidFile(fields={"file": ["no column is called serial, or first and last"]})
    return 0, 1 if len(cells) == len(("first", "last")) else None


def _read_span(row: Row, first: int, last: int | None, batch: Batch) -> tuple[int, int] | str:
    """Returns the first and the last serial number of a row, or why it has none."""
    low = _read_number(row.cell(first))
    high = _read_number(row.cell(last)) if row.cell(last) else low
    for number in (low, high):
        if isinstance(number, str):
            return number
        if not batch.first_serial <= number <= batch.last_serial:
            ends = {"first": batch.first_serial, "last": batch.last_serial}
            return say("%(number)s is not of this batch, which has %(first)s to %(last)s", number=number, **ends)
    assert isinstance(low, int) and isinstance(high, int)  # noqa: S101 - for the type checker
    return (low, high) if low <= high else say("%(last)s is lower than %(first)s", last=high, first=low)


def _read_number(text: str) -> int | str:
    if not text:
        return "the serial number is missing"
    if whole := _WHOLE.fullmatch(text):
        return int(whole[1])
    if is_scientific(text):
        return describe_shortened(text)
    if _GROUPED.fullmatch(text):
        return say("%(text)s has separators between its digits", text=text)
    return say("%(text)s is not a serial number", text=repr(text[:40]))


def _find_repeated(found: list[tuple[int, int, int]]) -> Iterator[BadRow]:
    """Yields the rows that name a card of an earlier row again."""
    highest, of_line = 0, 0
    for low, high, line in sorted(found):
        if low <= highest:
            yield BadRow(max(line, of_line), say("names cards of line %(line)s again", line=min(line, of_line)))
        if high > highest:
            highest, of_line = high, line
