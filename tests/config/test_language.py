"""The language of answers: pages by a cookie or the browser's languages, the API by Accept-Language alone."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

ARABIC = {"Accept-Language": "ar-OM,ar;q=0.9,en;q=0.5"}


@pytest.mark.parametrize(
    ("header", "language", "direction", "word"),
    [
        ("", "en", "ltr", "Redeem a voucher"),
        ("ar-OM,ar;q=0.9,en;q=0.5", "ar", "rtl", "استخدم قسيمة"),
        ("en-GB,ar;q=0.5", "en", "ltr", "Redeem a voucher"),
        ("de,ar;q=0.5", "ar", "rtl", "استخدم قسيمة"),
        ("de;q=!", "en", "ltr", "Redeem a voucher"),
    ],
)
def test_a_page_is_in_the_browsers_language(
    client: Client, header: str, language: str, direction: str, word: str
) -> None:
    answer = client.get("/redeem", headers={"Accept-Language": header} if header else {})
    page = answer.content.decode()
    assert f'<html lang="{language}" dir="{direction}">' in page and f"<h1>{word}</h1>" in page
    assert answer.headers["Content-Language"] == language
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["Vary"].split(", "))


def test_the_switch_keeps_the_language_and_leads_back() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.get("/redeem?code=", headers=ARABIC)
    form = {"language": "en", "next": "/redeem?code=", "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}
    answer = browser.post(reverse("language"), form, headers=ARABIC)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/redeem?code=")
    cookie = answer.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("en", True, "Lax")
    assert "<h1>Redeem a voucher</h1>" in browser.get("/redeem", headers=ARABIC).content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_the_switch_leads_to_no_other_site(client: Client, target: str) -> None:
    assert client.post(reverse("language"), {"language": "ar", "next": target}).headers["Location"] == "/"
    assert client.get(reverse("language")).status_code == 405


def test_an_unknown_language_changes_nothing(client: Client) -> None:
    client.post(reverse("language"), {"language": "../../x"})
    assert settings.LANGUAGE_COOKIE_NAME not in client.cookies


def test_the_console_is_in_arabic(client: Client) -> None:
    page = client.get("/admin/login/", headers=ARABIC).content.decode()
    assert "تسجيل الدخول" in page and 'dir="rtl"' in page and "Log in" not in page


def test_the_api_answers_in_english_unless_a_client_asks_for_arabic(client: Client) -> None:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
    for headers in ({}, {"Accept-Language": "en"}, {"Accept-Language": "de, *"}, {"Accept-Language": "*"}):
        answer = client.get("/api/billing/balance", headers=headers)
        assert answer.content == b'{"error":"sign in, or send a bearer token","code":"not_authenticated"}'
    arabic = client.get("/api/billing/balance", headers=ARABIC).json()
    assert arabic == {"error": "سجّل الدخول، أو أرسل رمز وصول (bearer token)", "code": "not_authenticated"}
    assert client.get("/api/nothing", headers=ARABIC).json() == {
        "error": "لا يوجد شيء في هذا العنوان",
        "code": "not_found",
    }
    # The language ends with the request.
    assert client.get("/api/nothing").json()["error"] == "there is nothing at this address"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "billing/vouchers/redeem-preview",
            {"code": 5},
            {"error": "code: يجب أن يكون نصًا", "code": "invalid_request", "fields": {"code": ["يجب أن يكون نصًا"]}},
        ),
        (
            "billing/vouchers/redeem-preview",
            {"code": "UNKNOWN1"},
            {"error": "لا توجد قسيمة بهذا الرمز", "code": "promo_not_found"},
        ),
        (
            "auth/refresh",
            {"refresh_token": "x"},
            {"error": "انتهت الجلسة: سجّل الدخول من جديد", "code": "invalid_refresh_token"},
        ),
    ],
)
def test_refusals_are_translated_and_their_codes_are_not(
    client: Client, path: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = client.post(f"/api/{path}", json.dumps(body), "application/json", headers=ARABIC)
    assert answer.json() == expected
