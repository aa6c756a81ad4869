"""Reads serial numbers from a CSV file as spreadsheets write it, and names each bad row by its line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from promos.errors import InvalidRange
from promos.models import Batch

MAX_FILE_BYTES = 2_000_000
MAX_ROWS = 50_000
_DELIMITERS = ";\t,"
_FIRST_TITLES = {"serial", "serial number", "serial_number", "first", "first serial", "first_serial", "from"}
_LAST_TITLES = {"last", "last serial", "last_serial", "to"}
# The form in which a spreadsheet keeps a cell as text: ="001".
_AS_TEXT = re.compile(r"""^="(.*)"$|^'(.*)$""")
_WHOLE = re.compile(r"([0-9]{1,18})([.,]0+)?")
_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_GROUPED = re.compile(r"[0-9]{1,3}([ ,.'\u202f][0-9]{3})+")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, by its line in the file, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.why}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Serials:
    """The serial numbers of a file, in the file's order, and its bad rows."""

    spans: list[tuple[int, int]]
    bad_rows: list[BadRow]


def read_serials(content: bytes, *, batch: Batch) -> Serials:
    """Reads a file with one serial number in each row, or a first and a last one.

    The file may have a byte order mark, a row of titles, other columns, quotes, any line ends, and commas, semicolons
    or tabs between its cells. Every number must be of the batch, and none may come twice.

    Raises: InvalidRange where it is no such file at all.
    """
    rows = list(_read_rows(content))
    if len(rows) > MAX_ROWS:
        raise InvalidRange(fields={"file": [f"at most {MAX_ROWS:,} rows"]})
    first, last = 0, 1 if rows and len(rows[0][1]) == len(("first", "last")) else None
    if rows and not any(character.isdigit() for character in rows[0][1][0]):
        first, last = _find_columns(rows.pop(0)[1])
    if not rows:
        raise InvalidRange(fields={"file": ["the file has no serial number"]})
    found: list[tuple[int, int, int]] = []
    bad_rows: list[BadRow] = []
    for line, cells in rows:
        span = _read_span(cells, first, last, batch)
        if isinstance(span, str):
            bad_rows.append(BadRow(line, span))
        else:
            found.append((*span, line))
    bad_rows += _find_repeated(found)
    return Serials(spans=[(low, high) for low, high, _ in found], bad_rows=sorted(bad_rows, key=lambda row: row.line))


def _read_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows that are not empty, with their lines."""
    if len(content) > MAX_FILE_BYTES:
        raise InvalidRange(fields={"file": [f"at most {MAX_FILE_BYTES:,} bytes"]})
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRange(fields={"file": ["not a text file: save it as CSV in UTF-8"]}) from error
    head = text.lstrip().splitlines()[0] if text.strip() else ""
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            cells = [_clean(cell) for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidRange(fields={"file": [f"not a CSV file: {error}"]}) from error


def _clean(cell: str) -> str:
    cell = cell.strip().strip("\ufeff\u00a0")
    if kept := _AS_TEXT.match(cell):
        return (kept[1] or kept[2] or "").strip()
    return cell


def _find_columns(titles: list[str]) -> tuple[int, int | None]:
    names = [title.casefold() for title in titles]
    first = next((at for at, name in enumerate(names) if name in _FIRST_TITLES), None)
    if first is None:
        raise InvalidRange(fields={"file": ["no column is called serial, or first and last"]})
    return first, next((at for at, name in enumerate(names) if name in _LAST_TITLES), None)


def _read_span(cells: list[str], first: int, last: int | None, batch: Batch) -> tuple[int, int] | str:
    """Returns the first and the last serial number of a row, or why it has none."""
    low = _read_number(cells, first)
    high = low if last is None or last >= len(cells) or not cells[last] else _read_number(cells, last)
    for number in (low, high):
        if isinstance(number, str):
            return number
        if not batch.first_serial <= number <= batch.last_serial:
            return f"{number} is not of this batch, which has {batch.first_serial} to {batch.last_serial}"
    assert isinstance(low, int) and isinstance(high, int)  # noqa: S101 - for the type checker
    return (low, high) if low <= high else f"{high} is lower than {low}"


def _read_number(cells: list[str], at: int) -> int | str:
    text = cells[at] if at < len(cells) else ""
    if not text:
        return "the serial number is missing"
    if whole := _WHOLE.fullmatch(text):
        return int(whole[1])
    if _SCIENTIFIC.fullmatch(text):
        return f"the spreadsheet shortened {text}, so digits are lost: format the column as text"
    if _GROUPED.fullmatch(text):
        return f"{text} has separators between its digits"
    return f"{text[:40]!r} is not a serial number"


def _find_repeated(found: list[tuple[int, int, int]]) -> Iterator[BadRow]:
    """Yields the rows that name a card of an earlier row again."""
    highest, of_line = 0, 0
    for low, high, line in sorted(found):
        if low <= highest:
            yield BadRow(max(line, of_line), f"names cards of line {min(line, of_line)} again")
        if high > highest:
            highest, of_line = high, line
