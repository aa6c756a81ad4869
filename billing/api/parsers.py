"""A strict JSON parser. Every value that it accepts can be held by Python and stored by PostgreSQL.

It refuses, each with its own sentence: bodies over 256 KiB, encodings other than UTF-8, NaN and Infinity, repeated
names, numbers with huge exponents (`1e1000000` would exhaust memory as soon as code computes with it), deep nesting,
and strings that PostgreSQL cannot store.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import IO, Any, NoReturn

from django.http import UnreadablePostError
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext, gettext_noop
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from billing.language import say, say_lazily

from .renderers import ExactJSONRenderer

MAX_BODY_BYTES = 256 * 1024
MAX_DEPTH = 32
# Limits of a number: the length of its text, and its magnitude as a power of ten.
MAX_NUMBER_LENGTH = 50
MAX_NUMBER_MAGNITUDE = 50


# What Python's parser says is wrong with a body, for translation. Its \uXXXX stands for four hexadecimal digits.
PROBLEMS = (
    gettext_noop("Expecting value"),
    gettext_noop("Expecting ',' delimiter"),
    gettext_noop("Expecting ':' delimiter"),
    gettext_noop("Expecting property name enclosed in double quotes"),
    gettext_noop("Extra data"),
    gettext_noop("Illegal trailing comma before end of array"),
    gettext_noop("Illegal trailing comma before end of object"),
    gettext_noop("Invalid \\escape"),
    gettext_noop("Invalid \\uXXXX escape"),
    gettext_noop("Invalid control character at"),
    gettext_noop("Unexpected UTF-8 BOM (decode using utf-8-sig)"),
    gettext_noop("Unterminated string starting at"),
)


class MalformedJSON(ParseError):
    default_detail = "the body is not valid JSON"
    default_code = "malformed_json"


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = say_lazily("the body is larger than %(number)s KiB", number=MAX_BODY_BYTES // 1024)
    default_code = "payload_too_large"


class StrictJSONParser(BaseParser):
    """`application/json` in UTF-8."""

    media_type = "application/json"
    renderer_class = ExactJSONRenderer

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        meta = parser_context["request"].META if parser_context else {}
        _refuse_other_encodings(media_type or "", meta.get("HTTP_CONTENT_ENCODING", ""))
        if int(meta.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            raise PayloadTooLarge()
        try:
            body = stream.read(MAX_BODY_BYTES + 1)
        except UnreadablePostError as error:
            raise MalformedJSON("the body ended too early") from error
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge()
        return read_json(body)


def read_json(body: bytes) -> Any:
    """Parses the body. Numbers become int or Decimal, never float.

    Raises: MalformedJSON.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        sentence = say(
            "the body is not valid JSON: %(problem)s (line %(line)s, column %(column)s)",
            problem=gettext(error.msg),
            line=error.lineno,
            column=error.colno,
        )
        raise MalformedJSON(sentence) from error
    except UnicodeDecodeError as error:
        raise MalformedJSON("the body is not UTF-8") from error
    except RecursionError as error:
        raise MalformedJSON("the body is nested too deeply") from error
    _refuse_unstorable(value)
    return value


def _refuse_other_encodings(content_type: str, content_encoding: str) -> None:
    charset = parse_header_parameters(content_type)[1].get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(content_type, "the body must be JSON in UTF-8")
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(content_type, "the body may not be compressed")


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedJSON("a number in the body is out of range")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedJSON("a number in the body is out of range")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise MalformedJSON("a number in the body is out of range") from error
    if not value:
        return Decimal(0)
    if abs(value.adjusted()) > MAX_NUMBER_MAGNITUDE:
        raise MalformedJSON("a number in the body is out of range")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise MalformedJSON(say("%(text)s is not a JSON number", text=text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJSON("the body repeats a name in an object")
    return members


def _refuse_unstorable(value: Any) -> None:
    """Checks nesting depth and strings. Walks the value level by level, without recursion."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise MalformedJSON("the body is nested too deeply")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _refuse_unstorable_text(item)
            elif isinstance(item, list):
                below += item
            elif isinstance(item, dict):
                below += item.keys()
                below += item.values()
        level, depth = below, depth + 1


def _refuse_unstorable_text(text: str) -> None:
    if "\0" in text:
        raise MalformedJSON("a string in the body contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedJSON("a string in the body contains a lone surrogate") from error
