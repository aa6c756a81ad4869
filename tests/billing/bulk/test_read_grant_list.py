"""Customers and amounts are read from CSV files as spreadsheets write them, and each bad row is named by its line."""

import pytest

from billing.errors import InvalidFile
from billing.use_cases.bulk.csv_rows import MAX_BAD_ROWS_NAMED, MAX_ROWS, BadRow, refuse_bad_rows
from billing.use_cases.bulk.read_grant_list import GrantList, read_grant_list
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def read(content: str | bytes, amount_minor: int | None = None) -> GrantList:
    return read_grant_list(content.encode() if isinstance(content, str) else content, amount_minor=amount_minor)


@pytest.mark.parametrize(
    "content",
    [
        "ada,5\nbob,1.250\n",
        "\ufeffuser_id;amount;;\r\nada;5,000;;\r\nbob;1,25;;\r\n",
        "sep=;\r\nCustomer;Credit\r\nada;5\r\nbob;1.25\r\n",
        'note\tamount\tuser id\nx\t"5"\t"ada"\n\t1.250 OMR\t="bob"\n',
        "'ada,'5\n\n,,\n'bob,'1.250\n",
        "email,amount\nADA@example.org,5\n bob@example.org ,1.25\n",
        "ada@example.org,5\rbob@example.org,1.25\r",
        "user_id,email,amount\nada,,5\n,bob@example.org,1.25\n",
        "user_id,amount\nada,5\nbob,1.250\n".encode("utf-16"),
    ],
)
def test_every_form_of_a_file_has_the_same_rows(content: str | bytes) -> None:
    for name in ("ada", "bob"):
        CustomerFactory.create(user_id=name, email=f"{name}@example.org")
    found = read(content)
    assert not found.bad_rows
    assert [(row.user_id, row.amount_minor) for row in found.rows] == [("ada", 5_000), ("bob", 1_250)]


def test_one_amount_is_for_all_rows_that_have_none() -> None:
    found = read("user_id,amount\nada\nbob,7\n", amount_minor=5_000)
    assert [(row.user_id, row.amount_minor) for row in found.rows] == [("ada", 5_000), ("bob", 7_000)]


def test_each_bad_row_is_named_by_its_line() -> None:
    CustomerFactory.create_batch(2, email="two@example.org")
    content = (
        "user_id;email;amount\r\nada;;5\r\n1,2E+05;;5\r\n;;5\r\nbob;;\r\nbob;;1,000.5\r\nbob;;5,0005\r\nbob;;0\r\n"
        'bob;;-5\r\n"b\nob";;5\r\n;none@example.org;5\r\n;two@example.org;5\r\nada;;6\r\ncarol;;1e3\r\n;;x\r\n'
    )
    found = read(content.replace("1,000.5", "1,000,5"))
    assert [row.user_id for row in found.rows] == ["ada", "ada"]
    assert [str(row) for row in found.bad_rows] == [
        "Line 3: the spreadsheet shortened 1,2E+05, so digits are lost: format the column as text.",
        "Line 4: the customer is missing.",
        "Line 5: the amount is missing.",
        "Line 6: '1,000,5' is not an amount: write figures, with a point for decimals.",
        "Line 7: OMR has at most 3 decimals.",
        "Line 8: the amount must be positive.",
        "Line 9: the amount must be positive.",
        "Line 11: 'b\\nob' is not a user id.",
        "Line 12: no customers have the e-mail address 'none@example.org'.",
        "Line 13: 2 customers have the e-mail address 'two@example.org'.",
        "Line 14: names the customer of line 2 again.",
        "Line 15: '1e3' is not an amount: write figures, with a point for decimals.",
        "Line 16: the customer is missing; 'x' is not an amount: write figures, with a point for decimals.",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "user_id,amount\nada,1,250\n",
        "bob,1\nada,1,250\n",
        "bob;1.250\nada;1,250\n",
        'bob,1\nada,"1,250"\n',
        "bob\nada,7\n",
    ],
)
def test_comma_that_may_mean_something_else_is_refused(content: str) -> None:
    assert [row.line for row in read(content, amount_minor=5_000).bad_rows] == [2]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\ufeff",
        "user_id,amount\n",
        "amount\n5\n",
        b"\xff\xff\x00",
        "a,1\n" * (MAX_ROWS + 1),
        'ada,"5\nbob,5\n',
        "ada,1,250\n",
    ],
)
def test_what_is_no_such_file_is_refused(content: str | bytes) -> None:
    with pytest.raises(InvalidFile) as refused:
        read(content)
    assert list(refused.value.fields or {}) == ["file"]


def test_thousands_of_bad_rows_are_counted() -> None:
    with pytest.raises(InvalidFile) as refused:
        refuse_bad_rows(BadRow(line, "bad") for line in range(1, MAX_BAD_ROWS_NAMED + 3))
    sentences = (refused.value.fields or {})["file"]
    assert (len(sentences), sentences[-1]) == (MAX_BAD_ROWS_NAMED + 1, "And 2 more bad rows.")
