"""The public preview of a code consumes nothing, and unknown, retired and inactive codes look alike to it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from promos.use_cases.change_code import pause_code, retire_code
from tests.factories import PromoCodeFactory, actor
from tests.promos.cards.make_batch import active, codes_of, printed_codes, released, secret
from tests.promos.ranges.make_ranges import act
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_session, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import PREVIEW

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "billing/vouchers/redeem-preview"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def shown_headers(answer: Answer) -> dict[str, str]:
    """Return the headers without the request's id, which no two answers share."""
    return {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}


def preview(caller: Caller, code: str = "GIFT", **headers: str) -> Answer:
    return caller.post(PATH, {"code": code}, **headers)


def seen(**terms: Any) -> Mapping[str, Any]:
    """Return the whole body of a preview of GIFT."""
    return {
        "code": "GIFT",
        "credit_omr": 10,
        "credit_minor": 10_000,
        "credit_baisa": 10_000,
        "currency": "OMR",
        "description": "A gift",
        "active": True,
        "accepting_redemptions": True,
        **terms,
    }


def test_every_caller_sees_a_live_code(anybody: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift", max_redemptions=7)
    with nothing_changes():
        answer = preview(anybody)
    assert (answer.status, answer.body) == (200, seen())
    assert_shape(answer.body, PREVIEW)


def test_a_preview_says_when_the_credit_would_expire(anybody: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift", credit_days=30, credit_expires_at=NOW + DAY)
    answer = preview(anybody)
    assert (answer.status, answer.body) == (
        200,
        seen(credit_expires_at=(NOW + DAY).isoformat().replace("+00:00", "Z")),
    )
    assert_shape(answer.body, PREVIEW)


@pytest.mark.parametrize("role", ["superadmin", "sovereign-admin", "auditor", "customer"])
def test_every_role_sees_the_same(anybody: Caller, role: str) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift")
    expected = preview(anybody).content
    assert preview(by_token(role)).content == expected
    assert preview(by_session(role, csrf=False)).content == expected
    assert preview(anybody, Authorization="Bearer nonsense").content == expected


REFUSING: dict[str, dict[str, Any]] = {
    "paused": {"active": False},
    "not yet started": {"starts_at": NOW + DAY},
    "expired": {"starts_at": NOW - 2 * DAY, "expires_at": NOW - DAY},
    "paused and expired": {"active": False, "expires_at": NOW - DAY},
}


@pytest.mark.parametrize("state", REFUSING)
@pytest.mark.parametrize("cap", [0, 3])
def test_a_code_that_takes_no_redemptions_is_gone_with_the_same_body(anybody: Caller, state: str, cap: int) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift", max_redemptions=cap, **REFUSING[state])
    answer = preview(anybody)
    assert (answer.status, answer.body) == (
        410,
        seen(active=REFUSING[state].get("active", True), accepting_redemptions=False),
    )


@pytest.mark.parametrize("hot", [False, True])
def test_an_exhausted_code_is_gone_from_its_last_redemption_on(
    anybody: Caller, checkout: Checkout, hot: bool
) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift", max_redemptions=1, hot=hot)
    assert preview(anybody).status == 200
    assert checkout(promo_code="GIFT").status == 200
    answer = preview(anybody)
    assert (answer.status, answer.body) == (410, seen(accepting_redemptions=False))


def test_a_preview_shows_neither_cap_nor_count(anybody: Caller, checkout: Checkout) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift", max_redemptions=4711)
    PromoCodeFactory.create(code="OTHER", description="A gift")
    checkout(promo_code="GIFT")
    capped, uncapped = preview(anybody), preview(anybody, "OTHER")
    assert capped.body.keys() == uncapped.body.keys() == seen().keys()
    assert b"4711" not in capped.content and b"4710" not in capped.content
    assert capped.headers.keys() == uncapped.headers.keys()


def test_a_code_that_is_resumed_is_shown_as_live_again(anybody: Caller, noor: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", description="A gift")
    pause_code(code="GIFT", by=actor())
    assert preview(anybody).status == 410
    noor.post("billing/vouchers/issue", {"code": "GIFT", "credit_omr": 10, "active": True})
    assert (preview(anybody).status, preview(anybody).body) == (200, seen())


def statements(caller: Caller, code: str) -> tuple[Answer, list[str]]:
    """Return the answer and its SQL statements without the text of the code, and without its hash."""
    with CaptureQueriesContext(connection) as queries:
        answer = preview(caller, code)
    # The rule decides nothing that takes time, and a stored secret card is named by its hash.
    hidden = (r'(?<="masked": ")[^"]*', r'(?<="rule": ")[^"]*', r"~[a-z2-7]{32}", r"[0-9a-f]{64}")
    same = re.compile("|".join((code, code.replace("-", ""), *hidden, r"[0-9]+")))
    texts = [same.sub("?", str(query["sql"])) for query in queries]
    return answer, texts


def hidden_codes() -> list[str]:
    """Return a retired code, and cards that are not active: of an open, a secret, a locked batch and a range."""
    PromoCodeFactory.create(code="RETIRED-X", description="A gift", max_redemptions=3)
    retire_code(code="RETIRED-X", by=actor())
    locked = active("LOCKED")
    act(locked, "lock", 1)
    return ["RETIRED-X", codes_of(released("EARLY"))[0], printed_codes(secret("PRINTED"))[0], codes_of(locked)[0]]


def test_unknown_retired_and_inactive_codes_look_the_same(anybody: Caller) -> None:
    hidden = hidden_codes()
    preview(anybody, "WARM-UP")
    unknown, asked_for_unknown = statements(anybody, "NEVER-WAS")
    assert_refused(unknown, 404, "promo_not_found", "there is no voucher with this code")
    # The limit, the code, and the refused attempt.
    assert len(asked_for_unknown) == 3
    for code in hidden:
        answer, asked = statements(anybody, code)
        assert (answer.status, answer.content) == (unknown.status, unknown.content)
        assert shown_headers(answer) == shown_headers(unknown)
        assert asked == asked_for_unknown, code


@pytest.mark.parametrize("path", ["billing/vouchers/redeem", "billing/checkout"])
def test_they_look_the_same_to_a_customer_who_redeems_them(
    checkout: Checkout, ada: Caller, acme: str, path: str
) -> None:
    def redeem(code: str) -> tuple[Answer, int]:
        order = {"tenant_id": acme, "plan_id": "m", "promo_code": code}
        with CaptureQueriesContext(connection) as queries:
            answer = ada.post(path, order if path.endswith("checkout") else {"code": code})
        return answer, len(queries)

    hidden = hidden_codes()
    redeem("WARM-UP")
    unknown, number = redeem("NEVER-WAS")
    assert_refused(unknown, 400, "promo_not_found")
    for code in hidden:
        answer, asked = redeem(code)
        assert (answer.status, answer.content, asked) == (unknown.status, unknown.content, number), code
        assert shown_headers(answer) == shown_headers(unknown)


@pytest.mark.parametrize(
    "code", ["A B", "a/b", "\U0001f381\U0001f381\U0001f381", "<script>", "' OR '1'='1", "AB", "x" * 200]
)
def test_an_invalid_code_is_unknown(anybody: Caller, code: str) -> None:
    PromoCodeFactory.create(code="GIFT")
    unknown = preview(anybody, "NEVER-WAS")
    answer = preview(anybody, code)
    assert (answer.status, answer.content) == (404, unknown.content)
    assert shown_headers(answer) == shown_headers(unknown)


@pytest.mark.parametrize(
    "body", ['{"code":""}', '{"code":"  "}', '{"code":null}', "{}", "[]", "", '{"code":["GIFT"]}']
)
def test_no_code_is_a_bad_request(anybody: Caller, body: str) -> None:
    assert_refused(anybody.send("POST", PATH, body, content_type="application/json"), 400, "invalid_request")


def test_every_preview_past_the_limit_is_refused(anybody: Caller, settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "3/min"
    PromoCodeFactory.create(code="GIFT")
    assert [preview(anybody, code).status for code in ("GIFT", "NEVER-WAS", "GIFT")] == [200, 404, 200]
    for code in ("GIFT", "NEVER-WAS", ""):
        answer = preview(anybody, code)
        assert_refused(answer, 429, "throttled", "too many requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert preview(by_token("superadmin"), "GIFT").status == 429


def test_another_address_has_a_limit_of_its_own(anybody: Caller, settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "1/min"
    PromoCodeFactory.create(code="GIFT")
    assert [preview(anybody).status, preview(anybody).status] == [200, 429]
    anybody.client.defaults["REMOTE_ADDR"] = "192.0.2.99"
    assert preview(anybody).status == 200


def test_forwarded_addresses_are_not_trusted(anybody: Caller, settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "1/min"
    PromoCodeFactory.create(code="GIFT")
    shown = [preview(anybody, X_Forwarded_For=f"198.51.100.{number}").status for number in range(3)]
    assert shown == [200, 429, 429]
