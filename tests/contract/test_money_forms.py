"""Amounts are given in OMR, the smallest unit or baisa, in one or in several that agree, and are never rounded."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from promos.models import PromoCode
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller
from .json_shapes import assert_refused

# The test transaction rolls back, since the database refuses nothing here.
pytestmark = pytest.mark.django_db

MOST = 10**12


def issue(caller: Caller, amounts: str) -> Answer:
    """Send the amounts as raw JSON, so that 5, 5.0 and 5e0 differ."""
    return caller.post("billing/vouchers/issue", f'{{"code":"GIFT"{"," if amounts else ""}{amounts}}}')


@pytest.mark.parametrize(
    ("amounts", "minor", "omr"),
    [
        ('"credit_omr":50', 50_000, 50),
        ('"credit_omr":50.0', 50_000, 50),
        ('"credit_omr":5e1', 50_000, 50),
        ('"credit_omr":5.25', 5_250, Decimal("5.25")),
        ('"credit_omr":5.250000', 5_250, Decimal("5.25")),
        ('"credit_omr":0.001', 1, Decimal("0.001")),
        ('"credit_omr":0.1', 100, Decimal("0.1")),
        ('"credit_omr":1.15', 1_150, Decimal("1.15")),
        ('"credit_omr":1000000000', MOST, 10**9),
        ('"credit_omr":999999999.999', MOST - 1, Decimal("999999999.999")),
        ('"credit_minor":5250', 5_250, Decimal("5.25")),
        ('"credit_minor":5250.0', 5_250, Decimal("5.25")),
        ('"credit_minor":1', 1, Decimal("0.001")),
        (f'"credit_minor":{MOST}', MOST, 10**9),
        ('"credit_baisa":20', 20, Decimal("0.02")),
        (f'"credit_baisa":{MOST}', MOST, 10**9),
    ],
)
def test_every_form_of_an_amount_is_the_same_amount(noor: Caller, amounts: str, minor: int, omr: Any) -> None:
    answer = issue(noor, amounts)
    assert answer.status == 200, answer.body
    assert PromoCode.objects.get().credit_minor == minor
    for shown in (answer.body, noor.post("billing/vouchers/redeem-preview", {"code": "GIFT"}).body):
        assert (shown["credit_minor"], shown["credit_baisa"], shown["credit_omr"]) == (minor, minor, omr)
        assert type(shown["credit_omr"]) is type(omr)
        assert shown["currency"] == "OMR"


FORMS = ("credit_omr", "credit_minor", "credit_baisa")


NO_AMOUNTS = ["0", "-1", "-0.001", "0.0001", "null", '"5"', '"5.0"', "true", "[]", "[5]", "{}", '"NaN"', '""', "1e13"]


@pytest.mark.parametrize("form", FORMS)
def test_an_amount_that_is_not_positive_is_refused(noor: Caller, form: str) -> None:
    with nothing_changes():
        for value in NO_AMOUNTS:
            answer = issue(noor, f'"{form}":{value}')
            assert_refused(answer, 400, "invalid_request", f"{form}: ")
            assert list(answer.body["fields"]) == [form]


@pytest.mark.parametrize(
    "amounts",
    [
        '"credit_omr":1000000000.001',
        '"credit_omr":5.0001',
        '"credit_omr":1.23456789',
        '"credit_omr":1e-4',
        f'"credit_minor":{MOST + 1}',
        f'"credit_baisa":{MOST + 1}',
        '"credit_minor":5.5',
        '"credit_baisa":0.001',
        '"credit_minor":-5',
        '"credit_minor":9223372036854775808',
        '"credit_minor":' + "9" * 50,
        '"credit_omr":' + "0." + "0" * 47 + "1",
    ],
)
def test_an_amount_too_large_or_too_precise_is_refused(noor: Caller, amounts: str) -> None:
    with nothing_changes():
        assert_refused(issue(noor, amounts), 400, "invalid_request")


def test_an_amount_that_is_no_json_number_is_refused(noor: Caller) -> None:
    with nothing_changes():
        for number in ("NaN", "Infinity", "-Infinity", "1e400", "-1e-400", "9" * 51, "01", "+5", ".5", "5.", "0x5"):
            assert_refused(issue(noor, f'"credit_omr":{number}'), 400, "malformed_json")


@pytest.mark.parametrize(
    ("amounts", "minor"),
    [
        ('"credit_omr":1,"credit_minor":1000', 1_000),
        ('"credit_omr":5.25,"credit_baisa":5250', 5_250),
        ('"credit_minor":50000,"credit_baisa":50000', 50_000),
        ('"credit_omr":50.000,"credit_minor":50000.0,"credit_baisa":5e4', 50_000),
    ],
)
def test_several_forms_that_agree_are_accepted(noor: Caller, amounts: str, minor: int) -> None:
    answer = issue(noor, amounts)
    assert answer.status == 200, answer.body
    assert answer.body["credit_minor"] == minor


@pytest.mark.parametrize(
    "amounts",
    [
        '"credit_omr":1,"credit_minor":1001',
        '"credit_omr":1,"credit_baisa":1',
        '"credit_minor":50000,"credit_baisa":50001',
        '"credit_omr":50,"credit_minor":50000,"credit_baisa":5000',
    ],
)
def test_several_forms_that_differ_are_refused(noor: Caller, amounts: str) -> None:
    with nothing_changes():
        answer = issue(noor, amounts)
    assert_refused(answer, 400, "invalid_request")
    assert set(answer.body["fields"]) == {form for form in FORMS if form in amounts}
    assert "are different amounts" in answer.body["error"]


@pytest.mark.parametrize("amounts", ["", '"amount_omr":50', '"credit":50'])
def test_a_missing_amount_is_refused(noor: Caller, amounts: str) -> None:
    with nothing_changes():
        answer = issue(noor, amounts)
    assert_refused(answer, 400, "invalid_request", "credit_omr: give one of")


def test_an_amount_is_refused_before_any_statement(noor: Caller) -> None:
    with CaptureQueriesContext(connection) as queries:
        issue(noor, '"credit_omr":5.0001')
    assert len(queries) == 0
