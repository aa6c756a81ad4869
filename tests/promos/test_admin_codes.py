"""A sovereign admin's vouchers in the console: issued, changed, paused, resumed, retired, brought back."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.models import User
from promos.models import PromoCode
from promos.queries import codes_with_use
from promos.use_cases.change_code import retire_code
from promos.use_cases.redeem_code import redeem
from tests.console import (
    ADDRESS,
    Browser,
    client_of,
    create_user,
    expected_audit_entry,
    form_errors,
    latest_audit_entry,
    shown_messages,
)
from tests.factories import PromoCodeFactory, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

ADD = "/admin/promos/promocode/add/"
LIST = "/admin/promos/promocode/"
WHY = "approved by marketing"
TERMS = {"credit": "50.000", "max_redemptions": "50", "description": "Welcome", "active": "on", "reason": WHY}


@pytest.fixture
def omar(db: None) -> User:
    return create_user(SOVEREIGN_ADMIN)


@pytest.fixture
def client(omar: User) -> Browser:
    return client_of(omar)


def page_of(code: PromoCode) -> str:
    return reverse("admin:promos_promocode_change", args=[code.pk])


def changed_terms(code: PromoCode, /, **terms: str) -> dict[str, str]:
    return {**TERMS, **terms}


# --- Issue ------------------------------------------------------------------------------------------------------


def test_issues_a_code(client: Browser, omar: User) -> None:
    with only_changes("promos_promocode", "promos_promocounter", "billing_auditentry"):
        answer = client.submit(ADD, {**TERMS, "code": " welcome50 ", "starts_at": "2027-01-01T00:00", "hot": "on"})
    made = codes_with_use().get()
    assert answer.headers["Location"] == page_of(made)
    assert shown_messages(answer) == ["WELCOME50 is issued."]
    assert (made.code, made.credit_minor, made.currency, made.max_redemptions) == ("WELCOME50", 50_000, "OMR", 50)
    assert (made.description, made.active, made.hot, made.issued_by) == ("Welcome", True, True, omar.sub)
    assert (made.starts_at, made.expires_at) == (datetime(2027, 1, 1, tzinfo=UTC), None)
    assert made.counters.count() == 16
    assert latest_audit_entry() == expected_audit_entry(omar, "promo_code.issued", "WELCOME50", why=WHY)


def test_issues_a_paused_code_without_a_cap(client: Browser) -> None:
    client.submit(ADD, {"code": "OPEN", "credit": "0.001", "max_redemptions": "0", "reason": WHY})
    made = PromoCode.objects.get()
    assert (made.credit_minor, made.max_redemptions, made.active, made.hot) == (1, 0, False, False)


BAD_INPUT = [
    ("code", "", "This field is required."),
    ("code", "ab", "Use 3 to 64 of the letters A-Z, digits, '-' and '_'."),
    ("code", "WEL COME", "Use 3 to 64 of the letters A-Z, digits, '-' and '_'."),
    ("code", "X" * 65, "Use 3 to 64 of the letters A-Z, digits, '-' and '_'."),
    ("code", "NUL\0CODE", "Null characters are not allowed."),
    ("credit", "", "This field is required."),
    ("credit", "0", "The credit must be more than zero."),
    ("credit", "-1", "The credit must be more than zero."),
    ("credit", "1.2345", "OMR has at most 3 decimals"),
    ("credit", "NaN", "Write the amount in figures, with a point for decimals: 5.25"),
    ("credit", "Infinity", "Write the amount in figures, with a point for decimals: 5.25"),
    ("credit", "1e6", "Write the amount in figures, with a point for decimals: 5.25"),
    ("credit", "1,000", "Write the amount in figures, with a point for decimals: 5.25"),
    ("credit", "5\0", "Write the amount in figures, with a point for decimals: 5.25"),
    ("credit", "1000000000.001", "An amount may not exceed 1000000000000 of the currency's smallest unit"),
    ("credit", "9" * 5000, "Write the amount in figures, with a point for decimals: 5.25"),
    ("max_redemptions", "", "This field is required."),
    ("max_redemptions", "-1", "Ensure this value is greater than or equal to 0."),
    ("max_redemptions", "1.5", "Enter a whole number."),
    ("max_redemptions", "9" * 5000, "Enter a whole number."),
    ("max_redemptions", "9" * 20, "Ensure this value is less than or equal to 1000000000000."),
    ("description", "x" * 501, "Ensure this value has at most 500 characters (it has 501)."),
    ("description", "a\0b", "Null characters are not allowed."),
    ("starts_at", "yesterday", "Write the time as 2026-12-31 23:59, in UTC."),
    ("starts_at", "2026-02-30T10:00", "Write the time as 2026-12-31 23:59, in UTC."),
    ("starts_at", "2026-01-01T00:00+14:00", "Write the time as 2026-12-31 23:59, in UTC."),
    ("starts_at", "0000-01-01T00:00", "Write the time as 2026-12-31 23:59, in UTC."),
    ("starts_at", "\u0662\u0660\u0662\u0666-01-01T00:00", "Write the time as 2026-12-31 23:59, in UTC."),
    ("starts_at", "2026-W01-1T00:00", "Write the time as 2026-12-31 23:59, in UTC."),
    ("expires_at", "2026-01-01T00:00\0", "Write the time as 2026-12-31 23:59, in UTC."),
    ("reason", "", "This field is required."),
    ("reason", "   ", "This field is required."),
    ("reason", "x" * 501, "Ensure this value has at most 500 characters (it has 501)."),
    ("reason", "a\0b", "Null characters are not allowed."),
]


@pytest.mark.parametrize(("field", "value", "sentence"), BAD_INPUT)
def test_invalid_input_is_an_error_of_its_field_and_issues_nothing(
    client: Browser, field: str, value: str, sentence: str
) -> None:
    with nothing_changes():
        answer = client.submit(ADD, {**TERMS, "code": "WELCOME50", field: value})
    assert form_errors(answer) == {field: [sentence]}


def test_an_end_before_the_start_is_refused(client: Browser) -> None:
    dates = {"starts_at": "2027-01-02 00:00", "expires_at": "2027-01-02 00:00"}
    with nothing_changes():
        answer = client.submit(ADD, {**TERMS, "code": "WELCOME50", **dates})
    assert form_errors(answer) == {"expires_at": ["The end must be later than the start."]}


def test_an_issued_code_is_not_overwritten_by_a_slip(client: Browser) -> None:
    PromoCodeFactory.create(code="WELCOME50")
    with nothing_changes():
        answer = client.submit(ADD, {**TERMS, "code": "Welcome50"})
    assert form_errors(answer) == {"code": ["WELCOME50 already exists. To change it, open it from the list."]}


def test_issuing_a_retired_code_brings_it_back(client: Browser, omar: User) -> None:
    code = PromoCodeFactory.create(code="OLD")
    retire_code(code="OLD", by=actor())
    answer = client.submit(ADD, {**TERMS, "code": "OLD"})
    assert shown_messages(answer) == ["OLD was retired, and is back with these terms."]
    code.refresh_from_db()
    assert (code.retired_at, code.credit_minor, code.max_redemptions) == (None, 50_000, 50)
    assert latest_audit_entry() == expected_audit_entry(omar, "promo_code.changed", "OLD", why=WHY)


# --- Change -----------------------------------------------------------------------------------------------------


def test_changes_the_terms_but_not_the_code(client: Browser, omar: User) -> None:
    code = PromoCodeFactory.create(code="WELCOME50", credit_minor=10_000)
    page = client.get(page_of(code)).content.decode()
    assert 'value="10.000"' in page
    assert 'name="code"' not in page
    answer = client.submit(page_of(code), changed_terms(code, code="OTHER", credit="12.5"))
    assert (answer.headers["Location"], shown_messages(answer)) == (page_of(code), ["WELCOME50 is changed."])
    code.refresh_from_db()
    assert (code.code, code.credit_minor, code.max_redemptions) == ("WELCOME50", 12_500, 50)
    assert latest_audit_entry() == expected_audit_entry(omar, "promo_code.changed", "WELCOME50", why=WHY)


def test_the_same_terms_again_change_nothing(client: Browser) -> None:
    terms: dict[str, Any] = {"credit_minor": 50_000, "max_redemptions": 50, "description": "Welcome"}
    code = PromoCodeFactory.create(**terms)
    with only_changes():
        answer = client.submit(page_of(code), changed_terms(code))
    assert shown_messages(answer) == [f"{code.code} already has these terms; nothing was changed."]


def test_a_cap_below_its_use_is_an_error_of_its_field(client: Browser) -> None:
    code = PromoCodeFactory.create(max_redemptions=5)
    for user_id in ("ada", "bob"):
        redeem(code=code.code, user_id=user_id, by=actor())
    with nothing_changes():
        answer = client.submit(page_of(code), changed_terms(code, max_redemptions="1"))
    assert form_errors(answer) == {
        "max_redemptions": ["The cap cannot be lower than the number of redemptions already made."]
    }


def test_terms_entered_before_the_code_was_retired_do_not_bring_it_back(client: Browser) -> None:
    code = PromoCodeFactory.create()
    token = client.token_of(page_of(code))
    retire_code(code=code.code, by=actor())
    with nothing_changes():
        answer = client.submit(page_of(code), changed_terms(code, form_token=token))
    sentence = (
        "This was changed after you opened the page, so nothing was done: open the page again to see the change."
    )
    assert form_errors(answer) == {"__all__": [sentence]}


@pytest.mark.parametrize("token", ["", "x", "\0", "9" * 5000, "another form's"])
def test_a_damaged_form_is_refused(client: Browser, token: str) -> None:
    code = PromoCodeFactory.create()
    given = client.token_of(ADD) if token == "another form's" else token
    with nothing_changes():
        answer = client.post(page_of(code), {**TERMS, "form_token": given})
    assert form_errors(answer) == {"__all__": ["This form is no longer valid: open the page again."]}


def test_invalid_input_changes_nothing(client: Browser) -> None:
    code = PromoCodeFactory.create()
    bad = {field: (value, sentence) for field, value, sentence in BAD_INPUT if field != "code"}
    with nothing_changes():
        answer = client.submit(
            page_of(code), changed_terms(code, **{field: value for field, (value, _) in bad.items()})
        )
    assert form_errors(answer) == {field: [sentence] for field, (_, sentence) in bad.items()}


def test_a_retired_code_is_marked_and_brought_back_from_its_page(client: Browser) -> None:
    code = PromoCodeFactory.create(code="OLD", credit_minor=50_000)
    retire_code(code="OLD", by=actor())
    page = client.get(page_of(code)).content.decode()
    assert "Bring it back with these terms" in page
    assert "/promocode/retire/" not in page
    answer = client.submit(page_of(code), changed_terms(code))
    assert shown_messages(answer) == ["OLD is back."]
    assert not PromoCode.objects.filter(retired_at__isnull=False).exists()


def test_an_auditor_reads_a_code_and_its_history(client: Browser) -> None:
    client.submit(ADD, {**TERMS, "code": "WELCOME50"})
    code = PromoCode.objects.get()
    auditor = client_of(create_user(AUDITOR))
    page = auditor.get(page_of(code)).content.decode()
    for text in ("0 of 50", "50.000 OMR", "sovereign-admin@example.org", ADDRESS, WHY):
        assert text in page
    assert "<form" not in page.replace('<form id="logout-form"', "")
    with nothing_changes():
        assert auditor.submit(page_of(code), changed_terms(code)).status_code == HTTPStatus.FORBIDDEN
