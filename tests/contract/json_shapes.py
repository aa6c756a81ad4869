"""Compares an answer with a shape.

A shape is a dict of fields, each a shape itself or a predicate. An unlisted field fails, so no field is published
by mistake.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .api_client import Answer

Shape = Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_ERROR_CODE = re.compile(r"[a-z][a-z0-9_]*")


def text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def omr(value: Any) -> bool:
    """An amount in OMR: at most three decimals, and a whole one is an integer."""
    if isinstance(value, Decimal):
        return value != value.to_integral_value() and -value.normalize().as_tuple().exponent <= 3  # type: ignore[operator]
    return whole(value)


def identity(value: Any) -> bool:
    """A UUID as text, in its canonical form."""
    return isinstance(value, str) and str(UUID(value)) == value


def moment(value: Any) -> bool:
    """RFC 3339 in UTC."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    return datetime.fromisoformat(value).tzinfo is not None


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def identities(value: Any) -> bool:
    return isinstance(value, list) and all(identity(item) for item in value)


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def null(value: Any) -> bool:
    return value is None


def one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: any(value == each and type(value) is type(each) for each in values)


def either(*shapes: Shape) -> Callable[[Any], bool]:
    return lambda value: any(shape(value) for shape in shapes)


@dataclass(frozen=True, slots=True)
class Nullable:
    """A field that may be null."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Maybe:
    """A field that may be absent."""

    shape: Shape


def money(name: str) -> dict[str, Shape]:
    return {f"{name}_omr": omr, f"{name}_minor": whole, f"{name}_baisa": whole, "currency": one_of("OMR")}


def assert_shape(value: Any, shape: Shape, at: str = "answer") -> None:
    """Assert that the value has exactly this shape; a list of one shape means an array of that shape."""
    if isinstance(shape, Maybe):
        shape = shape.shape
    if isinstance(shape, Nullable):
        if value is None:
            return
        shape = shape.shape
    if isinstance(shape, list):
        assert isinstance(value, list), f"{at} is no array: {value!r}"
        for number, item in enumerate(value):
            assert_shape(item, shape[0], f"{at}[{number}]")
    elif isinstance(shape, Mapping):
        assert isinstance(value, dict), f"{at} is no object: {value!r}"
        optional = {name for name, part in shape.items() if isinstance(part, Maybe)}
        assert shape.keys() - optional <= value.keys() <= shape.keys(), f"{at} has {sorted(value)}"
        for name, part in value.items():
            assert_shape(part, shape[name], f"{at}.{name}")
    else:
        assert shape(value), f"{at} is {value!r}, not {shape.__name__}"


def assert_refused(answer: Answer, status: int, code: str, starts: str = "") -> None:
    """Assert that the answer is an error of this status and code whose sentence starts with `starts`."""
    assert answer.status == status, f"{answer.status}, not {status}: {answer.content!r}"
    assert_error(answer)
    assert answer.code == code, answer.body
    assert answer.body["error"].startswith(starts), answer.body


def assert_error(answer: Answer) -> None:
    """Assert that the answer has the shape of every error under the API root."""
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.body, dict), answer.content
    assert {"error", "code"} <= answer.body.keys() <= {"error", "code", "fields"}, answer.body
    assert isinstance(answer.body["error"], str) and answer.body["error"].strip()
    assert _ERROR_CODE.fullmatch(answer.body["code"]), answer.body
    for name, sentences in answer.body.get("fields", {}).items():
        assert isinstance(name, str)
        assert texts(sentences) and sentences, answer.body
    assert b"Traceback" not in answer.content and b"<html" not in answer.content.lower()
