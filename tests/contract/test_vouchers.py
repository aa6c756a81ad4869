"""Staff issue, list and revoke vouchers, under both names of the endpoints."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promos.api.vouchers import IssueSerializer
from promos.models import PromoCode
from tests.contract.issuing_shapes import VOUCHER
from tests.factories import PromoCodeFactory
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = ["billing/vouchers/issue", "billing/admin/promos"]
LIST = ["billing/vouchers/list", "billing/admin/promos"]
REVOKE = ["billing/vouchers/revoke/", "billing/admin/promos/"]
CREDIT_FORMS = ("credit_omr", "credit_minor", "credit_baisa")
WELCOME = {"code": "WELCOME50", "credit_omr": 50}


def issue(caller: Caller, **terms: Any) -> Answer:
    return caller.post(ISSUE[0], {**WELCOME, **terms})


@pytest.mark.parametrize("path", ISSUE)
def test_issue_answers_with_the_record(noor: Caller, path: str) -> None:
    terms = {"description": "Welcome", "max_redemptions": 5, "active": True}
    before = datetime.now(UTC)
    with only_changes("promos_promocode", "promos_promocounter", "billing_auditentry"):
        answer = noor.post(path, {**WELCOME, **terms})
    assert answer.status == 200
    assert_shape(answer.body, VOUCHER)
    created = datetime.fromisoformat(answer.body.pop("created_at"))
    assert before - timedelta(seconds=5) < created <= datetime.now(UTC)
    assert answer.body == {
        "code": "WELCOME50",
        "credit_omr": 50,
        "credit_minor": 50_000,
        "credit_baisa": 50_000,
        "currency": "OMR",
        "description": "Welcome",
        "active": True,
        "max_redemptions": 5,
        "times_redeemed": 0,
        "hot": False,
        "starts_at": None,
        "expires_at": None,
        "restrictions": None,
        "credit_days": None,
        "credit_expires_at": None,
    }
    assert b'"credit_omr":50,' in answer.content


def test_issue_requires_only_code_and_credit(noor: Caller) -> None:
    answer = issue(noor)
    assert answer.status == 200
    shown = {name: answer.body[name] for name in ("description", "active", "max_redemptions", "times_redeemed")}
    assert shown == {"description": "", "active": True, "max_redemptions": 0, "times_redeemed": 0}


@pytest.mark.parametrize("written", ["WELCOME50", "welcome50", "  Welcome50\t", "\nwelCOME50 "])
def test_codes_are_trimmed_and_upper_case_wherever_they_are_written(noor: Caller, written: str) -> None:
    assert issue(noor, code=written).body["code"] == "WELCOME50"
    assert issue(noor, code="WELCOME50", credit_omr=51).body["credit_minor"] == 51_000
    assert PromoCode.objects.count() == 1
    assert noor.post("billing/vouchers/redeem-preview", {"code": written}).body["code"] == "WELCOME50"
    assert noor.delete(f"{REVOKE[0]}%20{written.strip()}").status == 200


@pytest.mark.parametrize("code", ["ABC", "A" * 64, "A-B_C", "-_-", "123"])
def test_a_code_is_3_to_64_letters_digits_dashes_and_underscores(noor: Caller, code: str) -> None:
    assert issue(noor, code=code).body["code"] == code


NO_CODES = [
    *("AB", "A" * 65, "A" * 201, "A B", "ABC\u00e9", "A/B", "ABC\n\nD", "\u202eABC", "\U0001f381" * 3, "", " "),
    # In upper case these would be letters A-Z.
    *("\u017fAVE10", "P\u0131LOT", "\ufb03X"),
    *(None, 5, True, ["ABC"]),
]


def test_another_code_is_refused(noor: Caller) -> None:
    with nothing_changes():
        for code in NO_CODES:
            answer = issue(noor, code=code)
            assert_refused(answer, 400, "invalid_request", "code: ")
            assert list(answer.body["fields"]) == ["code"]


def test_issuing_again_updates_the_terms_and_keeps_the_use(noor: Caller, checkout: Checkout) -> None:
    issue(noor, max_redemptions=5)
    assert checkout(promo_code="WELCOME50").status == 200
    answer = issue(noor, credit_omr=10, max_redemptions=1, description="Less")
    assert answer.status == 200
    changed = {
        name: answer.body[name] for name in ("credit_minor", "max_redemptions", "times_redeemed", "description")
    }
    assert changed == {"credit_minor": 10_000, "max_redemptions": 1, "times_redeemed": 1, "description": "Less"}


def test_a_listed_row_sent_back_whole_is_accepted_and_changes_nothing(noor: Caller) -> None:
    issue(noor, credit_omr=5.25, max_redemptions=5, expires_at="2030-02-01T00:00:00.000001Z")
    listed = noor.get(LIST[0])
    with nothing_changes():
        answer = noor.post(ISSUE[0], listed.content.decode()[1:-1])
    assert (answer.status, [answer.body]) == (200, listed.body)


CHANGED_TERMS: dict[str, Any] = {
    "description": "Welcome",
    "active": False,
    "max_redemptions": 5,
    "hot": True,
    "starts_at": "2030-01-01T00:00:00Z",
    "expires_at": "2030-02-01T00:00:00Z",
    "restrictions": {
        "only": "orders",
        "plans": [],
        "addons": [],
        "minimum_order_minor": 5_000,
        "minimum_order_omr": 5,
        "minimum_order_baisa": 5_000,
        "currency": "OMR",
        "first_order_only": True,
        "email_domains": ["bank.om"],
        "customers": [],
        "uses_per_customer": None,
        "uses_per_day": None,
        "uses_per_week": None,
        "uses_per_month": None,
        "time_zone": None,
    },
    "credit_days": 90,
    "credit_expires_at": "2030-06-01T00:00:00Z",
}


@pytest.mark.parametrize("path", ISSUE)
def test_reissuing_a_live_capped_code_without_a_cap_keeps_the_cap(noor: Caller, path: str) -> None:
    noor.post(path, {**WELCOME, "max_redemptions": 5})
    answer = noor.post(path, {**WELCOME, "description": "More"})
    assert (answer.status, answer.body["max_redemptions"], answer.body["description"]) == (200, 5, "More")


def test_every_absent_term_keeps_its_value_on_an_existing_code(noor: Caller) -> None:
    issue(noor, **CHANGED_TERMS)
    assert CHANGED_TERMS.keys() | {
        "code",
        "reason",
        "campaign_id",
        "credit_expires_at",
    } == IssueSerializer().fields.keys() - set(CREDIT_FORMS)
    with nothing_changes():
        answer = noor.post(ISSUE[0], {"code": "WELCOME50"})
    assert answer.status == 200
    assert {name: answer.body[name] for name in CHANGED_TERMS} == CHANGED_TERMS
    assert answer.body["credit_minor"] == 50_000


@pytest.mark.parametrize("name", CHANGED_TERMS)
def test_one_given_term_changes_and_the_others_stay(noor: Caller, name: str) -> None:
    issue(noor)
    before = noor.get(LIST[0]).body[0]
    if name == "hot":
        issue(noor, max_redemptions=5)
        before = noor.get(LIST[0]).body[0]
    answer = noor.post(ISSUE[0], {"code": "WELCOME50", name: CHANGED_TERMS[name]})
    assert answer.body == before | {name: CHANGED_TERMS[name]}


def test_reissuing_a_retired_code_brings_it_back_with_the_terms_that_it_had(noor: Caller) -> None:
    issued = issue(noor, **CHANGED_TERMS).body
    noor.delete(f"{REVOKE[0]}WELCOME50")
    answer = noor.post(ISSUE[0], {"code": "welcome50"})
    assert (answer.status, answer.body) == (200, issued)
    assert [each["code"] for each in noor.get(LIST[0]).body] == ["WELCOME50"]


def test_a_given_end_is_compared_with_the_start_that_is_kept(noor: Caller) -> None:
    issue(noor, starts_at="2030-02-01T00:00:00Z")
    with nothing_changes():
        answer = noor.post(ISSUE[0], {"code": "WELCOME50", "expires_at": "2030-01-01T00:00:00Z"})
    assert_refused(answer, 400, "invalid_promo")
    assert list(answer.body["fields"]) == ["expires_at"]


def test_the_same_terms_again_change_nothing(noor: Caller) -> None:
    first = issue(noor, max_redemptions=5)
    with nothing_changes():
        assert issue(noor, max_redemptions=5).content == first.content


def test_the_cap_is_not_lowered_below_its_use(noor: Caller, bob: Caller, bobs: str, checkout: Checkout) -> None:
    issue(noor, max_redemptions=3)
    checkout(promo_code="WELCOME50")
    bob.post("billing/checkout", {"tenant_id": bobs, "plan_id": "s", "promo_code": "WELCOME50"})
    with nothing_changes():
        answer = issue(noor, max_redemptions=1)
    assert_refused(answer, 409, "cap_below_used", "the cap cannot be lower")
    assert issue(noor, max_redemptions=2).body["times_redeemed"] == 2


def test_a_window_is_returned_in_utc(noor: Caller) -> None:
    answer = issue(noor, starts_at="2030-01-01T04:00:00+04:00", expires_at="2030-02-01T00:00:00Z")
    assert (answer.body["starts_at"], answer.body["expires_at"]) == ("2030-01-01T00:00:00Z", "2030-02-01T00:00:00Z")
    assert_shape(answer.body, VOUCHER)
    assert issue(noor, starts_at=None).body["starts_at"] is None


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2030-12-31T23:59:59z", "2030-12-31T23:59:59Z"),
        ("2030-12-31t23:59:59Z", "2030-12-31T23:59:59Z"),
        ("2030-12-31T23:59:59.5+04:00", "2030-12-31T19:59:59.500000Z"),
        ("2030-12-31T23:59:59-00:00", "2030-12-31T23:59:59Z"),
        ("2030-12-31T23:59:59.123456789Z", "2030-12-31T23:59:59.123456Z"),
    ],
)
def test_an_instant_is_rfc_3339_with_an_offset(noor: Caller, written: str, instant: str) -> None:
    assert issue(noor, expires_at=written).body["expires_at"] == instant


NO_INSTANTS = [
    *("2026-12-31", "2026-12-31T23:59:59", "2026-W53-4", "2026-W53-4T00:00:00Z", "20261231T235959Z"),
    *("2026-366T00:00:00Z", "2026-12-31 23:59:59Z", "2026-12-31T23:59Z", "2026-12-31T23Z", "2026-12-31T24:00:00Z"),
    *("2026-12-31T23:59:59+04", "2026-12-31T23:59:59+0400", "2026-12-31T23:59:59+04:00:30", "2026-12-31T23:59:59,5Z"),
    *("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.Z", "2026-12-31T23:59:59Z\n", " 2026-12-31T23:59:59Z"),
    "".join(chr(0x660 + int(each)) if each.isdigit() else each for each in "2026-12-31T23:59:59Z"),
    "2026-12-31T23:59:5\u0669Z",
    1798761599,
]


@pytest.mark.parametrize("name", ["starts_at", "expires_at"])
def test_another_way_to_write_an_instant_is_refused(noor: Caller, name: str) -> None:
    with nothing_changes():
        for written in NO_INSTANTS:
            answer = issue(noor, **{name: written})
            assert_refused(answer, 400, "invalid_request", f"{name}: must be an instant with an offset")


@pytest.mark.parametrize(
    "window",
    [
        {"starts_at": "2030-02-01T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"},
        {"starts_at": "2030-02-01T00:00:00Z", "expires_at": "2030-02-01T00:00:00Z"},
    ],
)
def test_a_window_that_ends_before_it_begins_is_refused(noor: Caller, window: dict[str, str]) -> None:
    with nothing_changes():
        answer = issue(noor, **window)
    assert_refused(answer, 400, "invalid_promo")
    assert list(answer.body["fields"]) == ["expires_at"]


@pytest.mark.parametrize("path", LIST)
def test_the_list_is_an_array_of_live_codes_newest_first(root: Caller, salim: Caller, path: str) -> None:
    for code in ("FIRST", "SECOND", "GONE", "PAUSED"):
        PromoCodeFactory.create(code=code, active=code != "PAUSED")
    root.delete(f"{REVOKE[0]}GONE")
    answer = salim.get(path)
    assert answer.status == 200
    assert_shape(answer.body, [VOUCHER])
    assert [each["code"] for each in answer.body] == ["PAUSED", "SECOND", "FIRST"]
    assert [each["active"] for each in answer.body] == [False, True, True]


@pytest.mark.parametrize("path", LIST)
def test_an_empty_list_is_an_empty_array(noor: Caller, path: str) -> None:
    assert noor.get(path).content == b"[]"


def test_the_list_shows_the_use(noor: Caller, checkout: Checkout) -> None:
    issue(noor, max_redemptions=3)
    checkout(promo_code="welcome50")
    [voucher] = noor.get(LIST[0]).body
    assert (voucher["times_redeemed"], voucher["max_redemptions"]) == (1, 3)


@pytest.mark.parametrize("path", REVOKE)
def test_revoke_retires_the_code_once(noor: Caller, path: str) -> None:
    issue(noor)
    answer = noor.delete(f"{path}welcome50")
    assert (answer.status, answer.body) == (200, {"ok": True})
    assert PromoCode.objects.get().retired_at is not None
    assert noor.get(LIST[0]).body == []
    with nothing_changes():
        assert_refused(noor.delete(f"{path}WELCOME50"), 404, "promo_not_found")


@pytest.mark.parametrize("path", REVOKE)
def test_revoking_no_live_code_is_not_found(noor: Caller, path: str) -> None:
    issue(noor)
    with nothing_changes():
        for code in ("UNKNOWN", "%20", "%F0%9F%98%80", "x" * 300, "'%20OR%201=1--"):
            assert_refused(noor.delete(f"{path}{code}"), 404, "promo_not_found", "there is no live voucher")
        for code in ("a%2Fb", "..%2F..%2F"):
            assert_refused(noor.delete(f"{path}{code}"), 404, "not_found")


def test_issuing_a_retired_code_brings_it_back_with_its_count(noor: Caller, checkout: Checkout) -> None:
    issue(noor, max_redemptions=3)
    checkout(promo_code="WELCOME50")
    noor.delete(f"{REVOKE[0]}WELCOME50")
    answer = issue(noor, max_redemptions=3)
    assert (answer.status, answer.body["times_redeemed"]) == (200, 1)
    assert [each["code"] for each in noor.get(LIST[0]).body] == ["WELCOME50"]
    assert_refused(checkout(plan_id="l", promo_code="WELCOME50"), 400, "promo_already_redeemed")


def test_texts_are_returned_unchanged(noor: Caller) -> None:
    said = "<b>50%</b> \U0001f381 \u0639\u0631\u0636 \u200f'; DROP TABLE promos_promocode; -- {{7*7}} \\ \" e\u0301"
    assert issue(noor, description=said).body["description"] == said
    assert noor.get(LIST[0]).body[0]["description"] == said
