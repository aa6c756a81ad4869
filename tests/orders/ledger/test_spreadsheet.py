"""A table is streamed as CSV and as XLSX, and no text of it can be a formula."""

import csv
from decimal import Decimal
from io import BytesIO, StringIO
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from orders.use_cases.ledger import spreadsheet
from orders.use_cases.ledger.spreadsheet import Cell, write_csv, write_xlsx

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1")
ROW: tuple[Cell, ...] = ("ada", Decimal("-5.250"), 7, None, "<&>\x01", "  spaced ", *FORMULAS)
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_sheet(file: bytes, number: int = 1) -> list[list[tuple[str | None, str | None]]]:
    """Return the type and the text of each cell of a sheet."""
    content = ZipFile(BytesIO(file)).read(f"xl/worksheets/sheet{number}.xml")
    root = ElementTree.fromstring(content)  # noqa: S314 - the test's own file
    assert root.find(f".//{_MAIN}f") is None
    return [
        [
            (cell.get("t"), next((each.text for each in cell.iter() if each.tag in (f"{_MAIN}v", f"{_MAIN}t")), None))
            for cell in row
        ]
        for row in root.iter(f"{_MAIN}row")
    ]


def test_csv_neutralizes_formulas_and_keeps_numbers() -> None:
    text = "".join(write_csv(("a",), [ROW]))
    rows = list(csv.reader(StringIO(text, newline="")))
    assert rows[1] == ["ada", "-5.250", "7", "", "<&>\x01", "  spaced ", *(f"'{each}" for each in FORMULAS)]


def test_xlsx_holds_texts_and_numbers_and_no_formula() -> None:
    file = b"".join(write_xlsx(("a",), [ROW], title="Ledger"))
    assert ZipFile(BytesIO(file)).testzip() is None
    texts = [each.replace("\r", "\n") for each in FORMULAS]
    assert read_sheet(file) == [
        [("inlineStr", "a")],
        [
            ("inlineStr", "ada"),
            (None, "-5.250"),
            (None, "7"),
            (None, None),
            ("inlineStr", "<&>\ufffd"),
            ("inlineStr", "  spaced "),
            *(("inlineStr", each) for each in texts),
        ],
    ]


@pytest.mark.parametrize("number", [0, 1, 999, 1_000, 1_001, 2_500])
def test_rows_beyond_a_sheet_go_to_the_next_one(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_SHEET_ROWS", 1_000)
    parts = list(write_xlsx(("n",), ((each,) for each in range(number)), title="Ledger"))
    file = b"".join(parts)
    sheets = sum("worksheets/" in name for name in ZipFile(BytesIO(file)).namelist())
    found = [row[0][1] for sheet in range(1, sheets + 1) for row in read_sheet(file, sheet)[1:]]
    assert found == [str(each) for each in range(number)]
    assert len(parts) > number // 1_000
