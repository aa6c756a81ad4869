"""Writes tables as CSV and XLSX row by row: the first bytes leave at once, and memory does not grow with the table.

A library for XLSX writes a whole sheet to the disk before the first byte can be sent. That takes minutes for a
million rows, and no gateway waits so long. The standard library streams the same file: a zip of a few XML files.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from io import RawIOBase
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

Cell = str | int | Decimal | None
# The most rows that a sheet can have is 1,048,576. The rest goes to the next sheet.
MAX_SHEET_ROWS = 1_000_000
# A spreadsheet takes a text that begins so for a formula.
_FORMULA = tuple("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\uff20")
# XML cannot hold these characters, and PostgreSQL holds all of them but the first.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ROWS_AT_ONCE = 500
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yields the lines of a CSV file. A text that a spreadsheet takes for a formula gets an apostrophe before it."""
    writer = csv.writer(_Line())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([_without_formula(cell) for cell in row])


def write_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str) -> Iterator[bytes]:
    """Yields the bytes of an XLSX file. Each text is a cell of the type text, which is never a formula."""
    sent, sheets, source = _Sink(), 0, iter(rows)
    with ZipFile(sent, "w", ZIP_DEFLATED, compresslevel=1) as book:
        last = False
        while not last:
            sheets += 1
            with book.open(f"xl/worksheets/sheet{sheets}.xml", "w", force_zip64=True) as sheet:
                sheet.write(f"{_XML}<worksheet {_MAIN}><sheetData>{_row_xml(header)}".encode())
                for _ in range(0, MAX_SHEET_ROWS, _ROWS_AT_ONCE):
                    part = list(islice(source, _ROWS_AT_ONCE))
                    sheet.write("".join(map(_row_xml, part)).encode())
                    yield from sent.take()
                    last = len(part) < _ROWS_AT_ONCE
                    if last:
                        break
                sheet.write(b"</sheetData></worksheet>")
        for name, content in _parts_of_book(sheets, title):
            book.writestr(name, _XML + content)
    yield from sent.take()


class _Line:
    """A file of one line, which `write` returns."""

    def write(self, line: str) -> str:
        return line


class _Sink(RawIOBase):
    """A file that cannot be rewound and keeps what was written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> Iterator[bytes]:
        written = b"".join(self._written)
        self._written.clear()
        if written:
            yield written


def _without_formula(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _row_xml(row: Sequence[Cell]) -> str:
    return f"<row>{''.join(map(_cell_xml, row))}</row>"


def _cell_xml(cell: Cell) -> str:
    if cell is None or cell == "":
        return "<c/>"
    if not isinstance(cell, str):
        return f"<c><v>{cell}</v></c>"
    text = escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", cell))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _parts_of_book(sheets: int, title: str) -> Iterator[tuple[str, str]]:
    numbers = range(1, sheets + 1)
    content = "http://schemas.openxmlformats.org/package/2006/content-types"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{content}"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{overrides}</Types>',
    )
    yield (
        "_rels/.rels",
        f'<Relationships xmlns="{relations}"><Relationship Id="rId1" Type="{_RELATIONS}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
    )
    named = "".join(
        f'<sheet name="{escape(title)}{"" if n == 1 else f" {n}"}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers
    )
    yield "xl/workbook.xml", f'<workbook {_MAIN} xmlns:r="{_RELATIONS}"><sheets>{named}</sheets></workbook>'
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    yield "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{relations}">{targets}</Relationships>'
