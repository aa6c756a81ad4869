"""Serial numbers are read from CSV files as spreadsheets write them, and each bad row is named by its line."""

import pytest

from billing.errors import InvalidFile
from promos.models import Batch
from promos.use_cases.ranges.read_serials import MAX_ROWS, Serials, read_serials

BATCH = Batch(first_serial=100, size=900)


def read(content: str | bytes) -> Serials:
    return read_serials(content.encode() if isinstance(content, str) else content, batch=BATCH)


@pytest.mark.parametrize(
    "content",
    [
        "101\n103\n",
        "101\r\n103\r\n",
        "101\r103\r",
        "\ufeffserial\n101\n103",
        "serial;code\r\n101;A-B\r\n103;C-D\r\n",
        "serial,code,credit\n101,A-B,5.000\n103,C-D,5.000\n",
        "Code\tSerial Number\nA\t101\nB\t103\n",
        '"serial"\n"101"\n"103"\n',
        '="101"\n="103"\n',
        "'101\n'103\n",
        "00101\n000103\n",
        "101.0\n103.00\n",
        "\n 101 ,\n\n\u00a0103,\n,,\n",
        "serial\n101\n103\n".encode("utf-16"),
    ],
)
def test_every_form_of_a_file_has_the_same_numbers(content: str | bytes) -> None:
    assert read(content) == Serials(spans=[(101, 101), (103, 103)], bad_rows=[])


@pytest.mark.parametrize(
    "content", ["first,last\n101,105\n200,\n", "101;105\n200;200\n", "to\tfrom\n105\t101\n\t200\n"]
)
def test_a_row_may_name_a_first_and_a_last_number(content: str) -> None:
    assert read(content).spans == [(101, 105), (200, 200)]


def test_each_bad_row_is_named_by_its_line() -> None:
    content = (
        "serial;note\r\n101;good\r\n1,01E+02;short\r\n;none\r\n1 000;grouped\r\n99;other batch\r\nabc;text\r\n"
        '102;"a note\r\nof two lines"\r\n101;again\r\n'
    )
    found = read(content)
    assert found.spans == [(101, 101), (102, 102), (101, 101)]
    assert [str(row) for row in found.bad_rows] == [
        "Line 3: the spreadsheet shortened 1,01E+02, so digits are lost: format the column as text.",
        "Line 4: the serial number is missing.",
        "Line 5: 1 000 has separators between its digits.",
        "Line 6: 99 is not of this batch, which has 100 to 999.",
        "Line 7: 'abc' is not a serial number.",
        "Line 10: names cards of line 2 again.",
    ]


def test_overlapping_and_reversed_rows_are_bad() -> None:
    found = read("first,last\n100,200\n150,160\n170,300\n250,260\n400,390\n")
    assert [(row.line, row.why) for row in found.bad_rows] == [
        (3, "names cards of line 2 again"),
        (4, "names cards of line 2 again"),
        (5, "names cards of line 4 again"),
        (6, "390 is lower than 400"),
    ]


@pytest.mark.parametrize(
    "content",
    ["", "\ufeff", "serial\n", "name,code\n1,2\n", b"\xff\xff\x00", "101\n" * (MAX_ROWS + 1), b"1" * 2_000_001],
)
def test_what_is_no_such_file_is_refused(content: str | bytes) -> None:
    with pytest.raises(InvalidFile) as refused:
        read(content)
    assert list(refused.value.fields or {}) == ["file"]
