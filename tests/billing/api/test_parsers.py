import json
import re
import time
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from billing.api.parsers import PROBLEMS, MalformedJSON, read_json

pytestmark = pytest.mark.urls("tests.billing.api.probe")

JSON = "application/json"
LIMIT = 256 * 1024


def test_numbers_come_and_go_exactly(api: Client) -> None:
    body = '{"a":5.250,"b":0.1,"c":9007199254740993,"d":-0.0,"e":1e2,"f":12345678901234567890.123}'
    answer = api.post("/api/echo", body, content_type=JSON)
    assert answer.content == b'{"a":5.250,"b":0.1,"c":9007199254740993,"d":0,"e":1E+2,"f":12345678901234567890.123}'


def test_text_comes_and_goes_as_it_is(api: Client) -> None:
    body = {"name": "قسيمة 🎟 \u2028\\\"'", "empty": "", "nothing": None, "list": [True, False, {}]}
    assert api.post("/api/echo", json.dumps(body), content_type=JSON).json() == body


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body is not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)"),
        (b"", "the body is not valid JSON: Expecting value (line 1, column 1)"),
        (b"\xff", "the body is not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "the body is not UTF-8"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the body repeats a name in an object"),
        (b"[" * 34 + b"]" * 34, "the body is nested too deeply"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "the body is nested too deeply"),
        (b'"\\u0000"', "a string in the body contains a NUL character"),
        (b'{"a\\u0000": 1}', "a string in the body contains a NUL character"),
        (b'[["\\ud800"]]', "a string in the body contains a lone surrogate"),
        (b"1" * 51, "a number in the body is out of range"),
        (b"1." + b"1" * 50, "a number in the body is out of range"),
        (b"1e1000000", "a number in the body is out of range"),
        (b"-1e51", "a number in the body is out of range"),
        (b"1e-51", "a number in the body is out of range"),
        (b"1e99999999999999999999", "a number in the body is out of range"),
    ],
)
def test_an_ambiguous_or_invalid_body_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedJSON) as refused:
        read_json(body)
    assert str(refused.value.detail) == sentence


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[" * 32 + b"]" * 32, 32),
        (b"1e50", Decimal("1e50")),
        (b"0e999999999", Decimal(0)),
        (b'"\\ud83c\\udf9f"', "🎟"),
        (b" 5 ", 5),
        (b"9" * 50, int("9" * 50)),
    ],
)
def test_the_last_that_is_accepted(body: bytes, value: Any) -> None:
    read = read_json(body)
    if isinstance(read, list):
        depth = 0
        while isinstance(read, list):
            depth, read = depth + 1, read[0] if read else None
        read = depth
    assert read == value


def test_no_body_of_the_allowed_size_takes_long() -> None:
    bodies = [
        b"[" + b"1e9999999," * 26_000 + b"1]",
        b"9" * LIMIT,
        b"0." + b"9" * (LIMIT - 2),
        b"1e" + b"9" * (LIMIT - 2),
        b"[" * LIMIT,
        b'{"a":' * (LIMIT // 5),
        b'"' + b"\\ud800" * (LIMIT // 6) + b'"',
    ]
    started = time.monotonic()
    for body in bodies:
        with pytest.raises(MalformedJSON):
            read_json(body)
    assert time.monotonic() - started < 2


def test_malformed_json_is_a_400(api: Client) -> None:
    answer = api.post("/api/echo", '{"a": Infinity}', content_type=JSON)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Infinity is not a JSON number", "code": "malformed_json"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "Expecting value"),
        (b"[1", "Expecting ',' delimiter"),
        (b'{"a"', "Expecting ':' delimiter"),
        (b"{", "Expecting property name enclosed in double quotes"),
        (b"1 2", "Extra data"),
        (b'"\\x"', "Invalid \\escape"),
        (b'"\\u12"', "Invalid \\uXXXX escape"),
        (b'"\n"', "Invalid control character at"),
        (b'"', "Unterminated string starting at"),
        ("\ufeff{}".encode(), "Unexpected UTF-8 BOM (decode using utf-8-sig)"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_in_the_readers_language(body: bytes, problem: str) -> None:
    assert problem in PROBLEMS
    with pytest.raises(MalformedJSON, match=f"^the body is not valid JSON: {re.escape(problem)}"):
        read_json(body)
    with translation.override("ar"), pytest.raises(MalformedJSON) as refused:
        read_json(body)
    sentence = str(refused.value.detail)
    assert set(re.findall("[A-Za-z]{2,}", sentence)) <= {"JSON", "uXXXX", "BOM"} and "السطر" in sentence


def test_the_largest_body_is_256_kib(api: Client) -> None:
    padding = " " * (LIMIT - 2)
    assert api.post("/api/echo", f"[{padding}]", content_type=JSON).json() == []
    answer = api.post("/api/echo", f"[ {padding}]", content_type=JSON)
    assert answer.status_code == 413
    assert answer.json() == {"error": "the body is larger than 256 KiB", "code": "payload_too_large"}


def test_a_body_longer_than_its_declared_length_is_not_truncated(api: Client) -> None:
    """The parser stops reading at its limit, also where no length warned it."""

    class Endless:
        read_bytes = 0

        def read(self, size: int) -> bytes:
            self.read_bytes += size
            return b" " * size

    from billing.api.parsers import PayloadTooLarge, StrictJSONParser  # noqa: PLC0415

    stream: Any = Endless()
    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(stream, JSON)
    assert stream.read_bytes == LIMIT + 1


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
        "nonsense",
        "application/json; charset=utf-16",
        "application/json; charset=bz2_codec",
        "application/json; " + "a" * 300,
    ],
)
def test_anything_but_json_in_utf8_is_a_415(api: Client, content_type: str) -> None:
    answer = api.generic("POST", "/api/echo", b"{}", content_type=content_type)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


def test_a_compressed_body_is_a_415(api: Client) -> None:
    answer = api.post("/api/echo", b"{}", content_type=JSON, headers={"Content-Encoding": "gzip"})
    assert answer.json() == {"error": "the body may not be compressed", "code": "unsupported_media_type"}


def test_the_sentence_of_a_415_names_the_accepted_type(api: Client) -> None:
    answer = api.post("/api/echo", b"{}", content_type="text/plain")
    assert answer.json()["error"] == "the body must be JSON: send Content-Type: application/json"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"])
def test_json_by_its_usual_names_is_accepted(api: Client, content_type: str) -> None:
    assert api.post("/api/echo", b"{}", content_type=content_type).status_code == 200
