"""Bodies that no endpoint accepts, and values that no field of their kind accepts."""

import gzip
import json
from typing import Any

from .api_client import JSON

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
_PART = b'--x\r\nContent-Disposition: form-data; name="code"\r\n\r\nGIFT\r\n--x--\r\n'

# Name → body and content type.
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", JSON),
    "nothing at all": (b"", ""),
    "white space": (b" \n\t ", JSON),
    "no JSON": (b"code=GIFT", JSON),
    "broken off": (b'{"code": "GI', JSON),
    "trailing comma": (b'{"code": "GIFT",}', JSON),
    "a comment": (b'{"code": "GIFT"} // really', JSON),
    "single quotes": (b"{'code': 'GIFT'}", JSON),
    "two documents": (b'{"code": "GIFT"}{"code": "GIFT"}', JSON),
    "null": (b"null", JSON),
    "true": (b"true", JSON),
    "a number": (b"5", JSON),
    "a text": (b'"GIFT"', JSON),
    "an array": (b'[{"code": "GIFT"}]', JSON),
    "a thousand": (json.dumps([{"code": "GIFT"}] * 1000).encode(), JSON),
    "an empty array": (b"[]", JSON),
    "an empty object": (b"{}", JSON),
    "no member that is known": (b'{"__proto__": {"admin": true}, "constructor": 1}', JSON),
    "a name twice": (b'{"code": "GIFT", "code": "GIFT"}', JSON),
    "NaN": (b'{"code": "GIFT", "credit_omr": NaN}', JSON),
    "Infinity": (b'{"code": "GIFT", "credit_omr": -Infinity}', JSON),
    "a number beyond reason": (b'{"code": "GIFT", "credit_omr": 1e1000000}', JSON),
    "a very long number": (b'{"code": "GIFT", "credit_omr": ' + b"9" * 100_000 + b"}", JSON),
    "NUL in a text": (b'{"code": "GI\\u0000FT"}', JSON),
    "NUL in a name": (b'{"co\\u0000de": "GIFT"}', JSON),
    "a raw NUL": (b'{"code": "GI\0FT"}', JSON),
    "half a character": (b'{"code": "GIFT", "description": "\\ud83d"}', JSON),
    "the other half": (b'{"code": "GIFT", "x": ["\\ude00"]}', JSON),
    "no UTF-8": (b'{"code": "\xff\xfe"}', JSON),
    "a surrogate in UTF-8": (b'{"code": "\xed\xa0\x80"}', JSON),
    "a byte order mark": (b'\xef\xbb\xbf{"code": "GIFT"}', JSON),
    "UTF-16": ('{"code": "GIFT"}'.encode("utf-16"), JSON),
    "deep arrays": (b"[" * 100_000 + b"]" * 100_000, JSON),
    "deep objects": (b'{"code":' * 5_000 + b"1" + b"}" * 5_000, JSON),
    "a form": (b"code=GIFT&credit_omr=5", FORM),
    "a form with parts": (_PART, MULTIPART),
    "a form that lies of its kind": (_PART, JSON),
    "JSON that lies of its kind": (b'{"code": "GIFT"}', FORM),
    "a text file": (b'{"code": "GIFT"}', "text/plain"),
    "XML": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "text/xml"),
    "a patch": (b'{"code": "GIFT"}', "application/merge-patch+json"),
    "another encoding": ('{"code": "GIFT"}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
    "no kind": (b'{"code": "GIFT"}', "nonsense"),
    "no encoding": (b'{"code": "GIFT"}', "application/json; charset=\xff"),
    "compressed": (gzip.compress(b'{"code": "GIFT"}'), JSON),
    "much too large": (b'{"code": "' + b"x" * 1_000_000 + b'"}', JSON),
}

# Bodies that are valid for an endpoint that requires no field.
EMPTY_OBJECTS = ("nothing", "nothing at all", "an empty object", "no member that is known")

NESTED: Any = {"a": [{"b": [{"c": [{}]}]}]}
# Values of the wrong type for every text, boolean and number.
NOT_SCALAR: tuple[Any, ...] = ([], {}, ["x"], {"x": "y"}, NESTED, [[[[]]]], ["x"] * 1000)
SUSPICIOUS_TEXTS = (
    "\U0001f600" * 3,
    "\u202eevil",
    "\u200f\u200e",
    "<script>alert(1)</script>",
    "' OR '1'='1' --",
    "a/b",
    "../..",
)
NOT_TEXT = (5, -5, 5.5, True, False, *NOT_SCALAR)
INVALID_REFERENCE = ("nope", "x" * 65, "x" * 100_000, "00000000-0000-0000-0000-000000000000", *SUSPICIOUS_TEXTS)
INVALID_REFERENCES = (
    5,
    True,
    "wordpress",
    "",
    {},
    {"0": "wordpress"},
    NESTED,
    [5],
    [None],
    [True],
    [[]],
    [{}],
    [["wordpress"]],
    [""],
    ["  "],
    ["nope"],
    ["x"] * 101,
    ["wordpress"] * 1000,
    *([each] for each in INVALID_REFERENCE),
)
INVALID_CODE = (None, "", "  ", "AB", "x" * 65, "x" * 100_000, "A B", "CL\u00c9", *SUSPICIOUS_TEXTS, *NOT_TEXT)
NOT_BOOLEAN = (None, 0, 1, 0.0, "true", "false", "", "on", *NOT_SCALAR)
INVALID_TIME = (
    5,
    0,
    -1,
    5.5,
    True,
    "",
    "yesterday",
    "2024-13-01T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "2024-01-01T25:61:00Z",
    "2024-01-01T00:00:00+25:00",
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "99999-01-01T00:00:00Z",
    "-2024-01-01T00:00:00Z",
    "x" * 100_000,
    *SUSPICIOUS_TEXTS,
    *NOT_SCALAR,
)
INVALID_ID = (
    None,
    "",
    " ",
    "nonsense",
    "1" * 36,
    "0" * 32,
    "{01890000-0000-7000-8000-000000000000}",
    "urn:uuid:01890000-0000-7000-8000-000000000000",
    "01890000-0000-7000-8000-00000000000\u0660",
    "x" * 100_000,
    2**127,
    2**128,
    *SUSPICIOUS_TEXTS,
    *NOT_TEXT,
)
INVALID_SLUG = (
    None,
    "",
    "ab",
    "a" * 32,
    "a" * 100_000,
    "Abc",
    "1bc",
    "a_c",
    "abc\n",
    "a.c",
    "\u0430bc",
    *SUSPICIOUS_TEXTS,
    *NOT_TEXT,
)

INVALID_NAME = (None, "", "   ", "x" * 201, "x" * 100_000, *NOT_TEXT)
INVALID_VAT_NUMBER = (None, "OM1", "OM--1100", "OM1100!", "1" * 31, "1" * 100_000, *NOT_TEXT)
INVALID_EMAIL = (
    None,
    "",
    "  ",
    "nobody",
    "@example.org",
    "a@",
    "a@b",
    "a b@example.org",
    "a@exa mple.org",
    "a@example.org\nBcc: b@example.org",
    "a@example.org, b@example.org",
    "A <a@example.org>",
    f"{'x' * 250}@example.org",
    *SUSPICIOUS_TEXTS,
    *NOT_TEXT,
)
INVALID_MEMBER_ROLE = (None, "", "owner", "Admin", " admin", "superadmin", "customer", *SUSPICIOUS_TEXTS, *NOT_TEXT)
INVALID_STATUS = (None, "", "pending", "Active", "gone", *SUSPICIOUS_TEXTS, *NOT_TEXT)

INVALID_STRIPE_KEY = (
    None,
    "nonsense",
    "sk_test_",
    "whsec_",
    "pk_test_",
    "sk_test_a b",
    "sk_test_\u00fc",
    "sk_test_" + "x" * 250,
    "x" * 100_000,
    *SUSPICIOUS_TEXTS,
    *NOT_TEXT,
)
