from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers

from billing.api.fields import (
    FlagField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    TextField,
    WholeNumberField,
    money_fields,
)


class Grant(MoneyRequestSerializer):
    money = (MoneyInput(name="credit", minimum=1),)


class Price(MoneyRequestSerializer):
    money = (MoneyInput(name="price", required=False),)


class Record(MoneyResponseSerializer):
    money = ("credit",)


class Strict(serializers.Serializer[Any]):
    text = TextField(required=False)
    flag = FlagField(required=False)
    number = WholeNumberField(required=False, min_value=0, max_value=9)


@dataclass
class Code:
    credit_minor: int


def errors(form: serializers.Serializer[Any]) -> dict[str, list[str]]:
    assert not form.is_valid()
    return {name: [str(each) for each in sentences] for name, sentences in form.errors.items()}


@pytest.mark.parametrize(
    ("body", "minor"),
    [
        ({"credit_omr": 10}, 10_000),
        ({"credit_omr": Decimal("5.25")}, 5_250),
        ({"credit_omr": Decimal("0.001")}, 1),
        ({"credit_omr": Decimal("10.0000")}, 10_000),
        ({"credit_omr": 10**9}, 10**12),
        ({"credit_minor": 5}, 5),
        ({"credit_minor": Decimal("5.0")}, 5),
        ({"credit_baisa": 7}, 7),
        ({"credit_minor": 10**12}, 10**12),
    ],
)
def test_an_amount_is_read_exactly_from_any_of_its_forms(body: dict[str, Any], minor: int) -> None:
    form = Grant(data=body)
    assert form.is_valid(), form.errors
    assert form.validated_data == {"credit_minor": minor}
    assert type(form.validated_data["credit_minor"]) is int


LIMIT = "an amount may not exceed 1000000000000 of the currency's smallest unit"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("credit_omr", Decimal("0.0001"), "OMR has at most 3 decimals"),
        ("credit_omr", 0, "must be more than zero"),
        ("credit_omr", -1, "must be more than zero"),
        ("credit_omr", 10**9 + 1, LIMIT),
        ("credit_omr", Decimal("1e50"), LIMIT),
        ("credit_omr", Decimal("NaN"), "an amount must be a finite number"),
        ("credit_omr", "10", "must be a number"),
        ("credit_omr", True, "must be a number"),
        ("credit_omr", [], "must be a number"),
        ("credit_omr", None, "must not be null"),
        ("credit_minor", 0, "must be at least 1"),
        ("credit_minor", -5, "must be at least 1"),
        ("credit_minor", 10**12 + 1, LIMIT),
        ("credit_minor", Decimal("5.5"), "must be a whole number"),
        ("credit_minor", "5", "must be a whole number"),
        ("credit_minor", False, "must be a whole number"),
        ("credit_baisa", {}, "must be a whole number"),
    ],
)
def test_an_amount_that_is_not_one_is_refused(name: str, value: Any, sentence: str) -> None:
    assert errors(Grant(data={name: value})) == {name: [sentence]}


def test_forms_of_an_amount_agree() -> None:
    form = Grant(data={"credit_omr": 1, "credit_minor": 1000, "credit_baisa": 1000})
    assert form.is_valid() and form.validated_data == {"credit_minor": 1000}
    sentence = "credit_omr, credit_minor are different amounts: send one of them"
    form = Grant(data={"credit_omr": 1, "credit_minor": 1001})
    assert errors(form) == {"credit_omr": [sentence], "credit_minor": [sentence]}


def test_an_amount_must_be_given_where_it_is_required() -> None:
    assert errors(Grant(data={})) == {"credit_omr": ["give one of credit_omr, credit_minor, credit_baisa"]}
    form = Price(data={})
    assert form.is_valid() and form.validated_data == {}
    free = Price(data={"price_omr": 0})
    assert free.is_valid() and free.validated_data == {"price_minor": 0}


def test_in_another_currency_there_is_only_the_smallest_unit(settings: Any) -> None:
    settings.SOVEREIGN_CURRENCY = "USD"
    form = Grant(data={"credit_minor": 1999})
    assert form.is_valid() and form.validated_data == {"credit_minor": 1999}
    assert errors(Grant(data={"credit_omr": 10})) == {"credit_minor": ["give one of credit_minor"]}
    assert dict(Record(Code(1999)).data) == {"credit_minor": 1999, "currency": "USD"}
    assert money_fields("credit", 1999) == {"credit_minor": 1999}


@pytest.mark.parametrize(
    ("minor", "omr"), [(5000, 5), (5250, Decimal("5.25")), (0, 0), (-1, Decimal("-0.001")), (10**12, 10**9)]
)
def test_an_amount_is_given_in_all_its_forms(minor: int, omr: Decimal | int) -> None:
    data = dict(Record(Code(minor)).data)
    assert data == {"credit_minor": minor, "credit_omr": omr, "credit_baisa": minor, "currency": "OMR"}
    assert type(data["credit_omr"]) is type(omr)
    assert money_fields("credit", minor) == {
        "credit_omr": omr,
        "credit_minor": minor,
        "credit_baisa": minor,
    }


def test_a_body_must_be_an_object() -> None:
    bodies: list[Any] = [[], "x", 5]
    for body in bodies:
        assert errors(Grant(data=body)) == {"non_field_errors": ["the body must be a JSON object"]}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("text", 5, "must be text"),
        ("text", Decimal(5), "must be text"),
        ("text", True, "must be text"),
        ("text", ["a"], "must be text"),
        ("flag", "true", "must be true or false"),
        ("flag", 1, "must be true or false"),
        ("flag", {}, "must be true or false"),
        ("number", "5", "must be a whole number"),
        ("number", True, "must be a whole number"),
        ("number", Decimal("0.5"), "must be a whole number"),
        ("number", [5], "must be a whole number"),
        ("number", -1, "must be at least 0"),
        ("number", 10, "must be at most 9"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any, sentence: str) -> None:
    assert errors(Strict(data={name: value})) == {name: [sentence]}


def test_a_value_of_the_right_type_is_taken() -> None:
    form = Strict(data={"text": " a ", "flag": False, "number": Decimal("5.0")})
    assert form.is_valid()
    assert form.validated_data == {"text": "a", "flag": False, "number": 5}
