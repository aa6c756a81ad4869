"""Every refusal of the API is in Arabic for a client that asks for it, with the same status and code."""

import json
import re
from typing import Any

import pytest

from tests.contract.invalid_values import BODIES
from tests.factories import PromoCodeFactory

from .api_client import JSON, Caller, by_token
from .conftest import tenant_of
from .endpoint import Endpoint
from .endpoints import WITH_BODY, invalid_fields

pytestmark = pytest.mark.django_db(transaction=True)

# A value between the marks that `say` sets, and a character between quotes.
_VALUE = re.compile("\u2068[^\u2069]*\u2069|'[^']*'|\"[^\"]*\"")
_LATIN, _ARABIC = re.compile(r"[A-Za-z]{3,}"), re.compile("[\u0621-\u064a]{3}")
# Names that an Arabic sentence keeps: of formats, settings and inputs.
NAMES = {
    *(
        "ASCII",
        "bearer",
        "CARD",
        "CNAME",
        "CODE",
        "CSV",
        "DNS",
        "JSON",
        "KiB",
        "NUL",
        "OMR",
        "RFC",
        "SECRET",
        "UTF",
        "UUID",
    ),
    *("age", "amount", "and", "cap", "code", "com", "credit", "days", "digits", "email", "example", "expires"),
    *(
        "false",
        "first",
        "hooks",
        "https",
        "job",
        "last",
        "letters",
        "limit",
        "cursor",
        "lone",
        "null",
        "object",
        "provision",
        "refresh",
    ),
    *("serial", "shop", "slug", "starts", "surrogate", "token", "true", "user"),
}


# Values of the requests that an answer repeats.
SENT = {"alert", "evil", "never", "nope", "script"}
# Values of a field that are sent: most of them break the same rule.
VALUES = 6


@pytest.fixture
def facts(shop: None, settings: Any) -> dict[str, str]:
    settings.PREVIEW_RATE_LIMIT = "100000/min"
    PromoCodeFactory.create(code="GIFT", max_redemptions=5)
    return {"tenant": tenant_of(by_token("superadmin"), "mine"), "code": "GIFT", "slug": "new"}


def bodies_for(endpoint: Endpoint, facts: dict[str, str]) -> list[tuple[bytes | str, str]]:
    """Return bodies with a wrong value of each field; for one endpoint also those that are malformed."""
    valid = endpoint.body_with(**facts) or {}
    malformed: list[tuple[bytes | str, str]] = [*BODIES.values()] if endpoint.path == "billing/checkout" else []
    return malformed + [
        (json.dumps({**valid, field: value}), JSON)
        for field, values in invalid_fields(endpoint).items()
        for value in values[:: len(values) // VALUES + 1]
    ]


def english_words(body: dict[str, Any]) -> set[str]:
    """Return the words of the error in Latin letters. The name of a field stands before its sentence."""
    fields: dict[str, list[str]] = body.get("fields", {})
    first = body["error"].partition(": ")[2] if fields else body["error"]
    sentences = [first, *(sentence for sentences in fields.values() for sentence in sentences)]
    return {word for each in sentences for word in _LATIN.findall(_VALUE.sub(" ", each))} - NAMES - SENT


def test_invalid_input_is_refused_in_arabic(facts: dict[str, str]) -> None:
    caller, found = by_token("superadmin"), {}
    for endpoint in WITH_BODY:
        path = endpoint.path_with(**facts)
        for raw, kind in bodies_for(endpoint, facts):
            answer = caller.send(endpoint.method, path, raw, content_type=kind, Accept_Language="ar")
            if answer.status >= 400 and (words := english_words(answer.body)):
                found[answer.body["error"]] = (str(endpoint), words)
    assert found == {}


def test_a_body_of_another_kind_is_refused_in_arabic(facts: dict[str, str]) -> None:
    caller = by_token("customer")
    for raw, kind in ((b"plan_id=m", "text/plain"), (b"{}", "application/json; charset=utf-16"), (b"\xff", JSON)):
        answer = caller.send("POST", "billing/checkout", raw, content_type=kind, Accept_Language="ar")
        assert answer.status in (400, 415) and _ARABIC.search(answer.body["error"]), answer.body
        assert english_words(answer.body) <= {"Content", "Type", "application", "json"}


REFUSED: list[tuple[str, str, str, Any, str]] = [
    ("customer", "GET", "nothing", None, "not_found"),
    ("customer", "DELETE", "billing/balance", None, "method_not_allowed"),
    ("customer", "POST", "billing/checkout", "{", "malformed_json"),
    ("customer", "POST", "billing/checkout", {}, "invalid_request"),
    ("superadmin", "POST", "billing/checkout", {"tenant_id": "{tenant}", "plan_id": "nope"}, "unknown_plan"),
    ("customer", "POST", "billing/checkout", {"tenant_id": "{tenant}", "plan_id": "m"}, "tenant_not_found"),
    (
        "superadmin",
        "POST",
        "billing/checkout",
        {"tenant_id": "{tenant}", "plan_id": "m"},
        "payment_processor_not_configured",
    ),
    ("customer", "POST", "billing/vouchers/redeem", {"code": "UNKNOWN1"}, "promo_not_found"),
    ("customer", "POST", "billing/vouchers/redeem", {"code": "x" * 20_000}, "invalid_request"),
    ("customer", "POST", "billing/vouchers/issue", {"code": "NEW", "credit_omr": 5}, "permission_denied"),
    ("superadmin", "POST", "billing/vouchers/issue", {"code": "NEW", "credit_omr": 0.0001}, "invalid_request"),
    ("customer", "POST", "tenant/orgs", {"slug": "www", "name": "Ada"}, "slug_reserved"),
    ("customer", "POST", "tenant/orgs", {"slug": "mine", "name": "Ada"}, "slug_taken"),
    ("customer", "POST", "tenant/orgs", {"slug": "1", "name": "Ada"}, "invalid_request"),
    ("customer", "GET", "tenant/orgs/{tenant}", None, "tenant_not_found"),
    ("superadmin", "GET", "billing/alerts?limit=0", None, "invalid_limit"),
    ("superadmin", "GET", "billing/alerts?cursor=x", None, "invalid_cursor"),
    ("customer", "POST", "auth/verify", {"email": "ada@example.org", "code": "000000"}, "wrong_code"),
    ("customer", "POST", "auth/login", {"email": "ada@example.org", "password": "x"}, "wrong_credentials"),
    ("customer", "POST", "auth/refresh", {"refresh_token": "x"}, "invalid_refresh_token"),
    ("customer", "GET", "auth/google?redirect_uri=https://evil.example", None, "not_configured"),
    ("", "GET", "billing/balance", None, "not_authenticated"),
]


def test_a_refusal_has_the_same_code_in_both_languages(facts: dict[str, str], settings: Any) -> None:
    found = []
    for role, method, path, body, _code in REFUSED:
        caller = by_token(role) if role else Caller()
        sent = json.loads(json.dumps(body).replace("{tenant}", facts["tenant"])) if isinstance(body, dict) else body
        english = caller.call(method, path.format(**facts), sent)
        arabic = caller.call(method, path.format(**facts), sent, Accept_Language="ar-OM")
        again = caller.call(method, path.format(**facts), sent)
        assert (english.status, english.code) == (arabic.status, arabic.code), path
        assert english.body == again.body and not _ARABIC.search(english.body["error"]), english.body
        assert _ARABIC.search(arabic.body["error"]) and not english_words(arabic.body), arabic.body
        found.append(english.code)
    assert found == [code for *_, code in REFUSED]


def test_a_limit_and_a_wrong_type_of_body_are_refused_in_arabic(facts: dict[str, str], settings: Any) -> None:
    caller = by_token("customer")
    refused = caller.send(
        "POST", "billing/vouchers/redeem", "code=x", content_type="text/plain", Accept_Language="ar"
    )
    assert (refused.status, refused.code, english_words(refused.body)) == (415, "unsupported_media_type", set())
    settings.PREVIEW_RATE_LIMIT = "1/min"
    for status in (404, 429):
        answer = caller.post("billing/vouchers/redeem-preview", {"code": "UNKNOWN1"}, Accept_Language="ar")
        assert answer.status == status
    assert (answer.code, english_words(answer.body)) == ("throttled", set())
