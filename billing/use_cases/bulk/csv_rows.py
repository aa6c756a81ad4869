"""Reads the rows of a CSV file as spreadsheets write it, each with its line. All uploads of lists use this reader."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import ngettext

from billing.errors import InvalidFile
from billing.language import say

MAX_FILE_BYTES = 8_000_000
MAX_ROWS = 100_000
# A refusal names at most this many bad rows, and counts the rest.
MAX_BAD_ROWS_NAMED = 1_000
_DELIMITERS = ";\t,"
# The first line with which Excel names the delimiter: sep=;
_NAMED_DELIMITER = re.compile(r"sep=([;\t,])[;\t, ]*(\r\n|\r|\n|$)", re.IGNORECASE)
# The forms in which a spreadsheet keeps a cell as text: ="001" and '001.
_AS_TEXT = re.compile(r"""^="(.*)"$|^'(.*)$""")

# The first characters of a formula.
_COMPUTED = {"=", "+", "-", "@"}
_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_SHORTENED = re.compile(r"[0-9]+([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, by its line in the file, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return say("Line %(line)s: %(why)s.", line=self.line, why=self.why)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not empty: its line in the file, and its cells."""

    line: int
    cells: list[str]

    def cell(self, column: int | None) -> str:
        """Returns the text of a column; empty where the row ends before it, or the file has no such column."""
        return self.cells[column] if column is not None and column < len(self.cells) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a file, without its row of titles, and the character between its cells.

    A row with more cells than the first one is bad: a comma that stands for decimals would go unnoticed.
    """

    titles: list[str]
    rows: list[Row]
    bad_rows: list[BadRow]
    delimiter: str

    def column(self, names: Collection[str]) -> int | None:
        """Returns the first column with one of these titles."""
        return next((at for at, title in enumerate(self.titles) if title in names), None)


def read_table(content: bytes, *, titles: Collection[str], max_rows: int = MAX_ROWS) -> Table:
    """Reads a file that has a byte order mark or none, any line ends, quotes, and any usual delimiter.

    Rows without a text are left out. The first row is one of titles if one of its cells is a known title.

    Args: titles: the known titles, in lower case.
    Raises: InvalidFile where it is no such file, or has too many rows.
    """
    text = _decode(content)
    delimiter, named = _find_delimiter(text)
    reader = csv.reader(io.StringIO(text[named:], newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        for cells in reader:
            cleaned = [_clean(cell) for cell in cells]
            while cleaned and not cleaned[-1]:
                cleaned.pop()
            if cleaned:
                rows.append(Row(reader.line_num + (named > 0), cleaned))
    except csv.Error as error:
        raise InvalidFile(
            fields={"file": [say("not a CSV file: line %(line)s: %(problem)s", line=reader.line_num, problem=error)]}
        ) from error
    first = [cell.casefold() for cell in rows[0].cells] if rows else []
    has_titles = any(cell in titles for cell in first)
    if len(rows) - has_titles > max_rows:
        raise InvalidFile(fields={"file": [say("at most %(number)s rows", number=f"{max_rows:,}")]})
    too_wide = say("has more cells than the first row: put quotes around a text that contains the delimiter")
    return Table(
        titles=first if has_titles else [],
        rows=[row for row in rows[has_titles:] if len(row.cells) <= len(first)],
        bad_rows=[BadRow(row.line, too_wide) for row in rows if len(row.cells) > len(first)],
        delimiter=delimiter,
    )


def _decode(content: bytes) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise InvalidFile(fields={"file": [say("at most %(number)s bytes", number=f"{MAX_FILE_BYTES:,}")]})
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidFile(fields={"file": ["not a text file: save it as CSV in UTF-8"]}) from error


def _find_delimiter(text: str) -> tuple[str, int]:
    """Returns the delimiter, and the length of the line that names it."""
    if named := _NAMED_DELIMITER.match(text):
        return named[1], named.end()
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    head = first if any(each in first for each in _DELIMITERS) else text
    return max(_DELIMITERS, key=head.count), 0


def _clean(cell: str) -> str:
    cell = cell.strip().strip("\ufeff\u00a0")
    if kept := _AS_TEXT.match(cell):
        return (kept[1] or kept[2] or "").strip()
    return cell


def is_scientific(text: str) -> bool:
    """Returns whether a cell that must be a number is written with an exponent."""
    return _SCIENTIFIC.fullmatch(text) is not None


def is_shortened(text: str) -> bool:
    """Returns whether a spreadsheet has made a number with an exponent of a cell that may be any text."""
    return _SHORTENED.fullmatch(text) is not None


def describe_shortened(text: str) -> str:
    """Returns why a cell with an exponent is bad, and what to do."""
    return say("the spreadsheet shortened %(text)s, so digits are lost: format the column as text", text=text)


def refuse_bad_rows(rows: Iterable[BadRow]) -> None:
    """Raises: InvalidFile, naming each bad row by its line, if there is one."""
    bad = sorted(rows, key=lambda row: row.line)
    if not bad:
        return
    sentences = [str(row) for row in bad[:MAX_BAD_ROWS_NAMED]]
    if len(bad) > MAX_BAD_ROWS_NAMED:
        sentences.append(say("And %(number)s more bad rows.", number=f"{len(bad) - MAX_BAD_ROWS_NAMED:,}"))
    message = ngettext("the file has %(number)s bad row", "the file has %(number)s bad rows", len(bad))
    raise InvalidFile(message % {"number": f"{len(bad):,}"}, fields={"file": sentences})


def write_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yields the lines of a CSV file. A text that a spreadsheet would compute is kept as text: '=1+1."""
    writer = csv.writer(OneLine())
    for row in rows:
        yield writer.writerow(
            [f"'{cell}" if isinstance(cell, str) and cell[:1] in _COMPUTED else cell for cell in row]
        )


class OneLine:
    """A file of one line, which `write` returns."""

    def write(self, line: str) -> str:
        return line
