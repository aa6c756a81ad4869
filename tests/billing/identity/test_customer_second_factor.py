"""A customer's second factor: enrolled on the pages, then asked by the pages and by the API."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from billing.models import AuditEntry, User
from billing.use_cases.identity.sign_in.sign_in_codes import request_code
from tests.contract.api_client import Caller
from tests.contract.json_shapes import assert_refused
from tests.factories import actor

from .test_console_sign_in import current_code
from .test_pages import mailed_code, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def protected(client: Client) -> User:
    """A customer who has just enrolled an authenticator app."""
    sign_in(client)
    page = client.get(reverse("mfa_activate_totp"))
    answer = client.post(reverse("mfa_activate_totp"), {"code": current_code(str(page.context["form"].secret))})
    assert answer.headers["Location"] == reverse("mfa_view_recovery_codes")
    codes = client.get(answer.headers["Location"])
    assert len(codes.context["unused_codes"]) == 10 and "*" not in codes.context["unused_codes"][0]
    return User.objects.get()


def recovery_codes(user: User) -> list[str]:
    found: list[str] = Authenticator.objects.get(user=user, type="recovery_codes").wrap().get_unused_codes()
    return found


def answer_of(client: Client, otp: str) -> Any:
    return client.post(reverse("account_second_factor"), {"otp": otp})


def test_the_pages_ask_for_the_second_factor(protected: User) -> None:
    other = Client()
    assert answer_of(other, "000000").headers["Location"] == reverse("account_login")
    assert sign_in(other, next="/account").headers["Location"] == reverse("account_second_factor")
    assert other.get("/account").status_code == 302
    assert "is wrong" in answer_of(other, "000000").content.decode()
    assert AuditEntry.objects.get(action="user.sign_in_failed").changes == {"method": [None, "second factor"]}
    [code, *_] = recovery_codes(protected)
    assert answer_of(other, code).headers["Location"] == "/account"
    assert other.get("/account").status_code == 200
    assert code not in recovery_codes(protected)


def test_second_factors_are_not_guessed(protected: User) -> None:
    other = Client()
    sign_in(other)
    for _ in range(5):
        answer_of(other, "000000")
    assert "Too many" in answer_of(other, recovery_codes(protected)[0]).content.decode()


def test_the_api_asks_for_the_second_factor_and_keeps_the_code_meanwhile(protected: User) -> None:
    anybody = Caller()
    code = _request_code()
    body = {"email": "ada@example.org", "code": code}
    assert_refused(anybody.post("auth/verify", body), 401, "second_factor_required")
    assert_refused(anybody.post("auth/verify", {**body, "code": "x"}), 401, "wrong_code")
    assert anybody.post("auth/verify", {**body, "otp": recovery_codes(protected)[0]}).status == 200
    body["code"] = _request_code()
    assert_refused(anybody.post("auth/verify", {**body, "otp": "000000"}), 401, "wrong_second_factor")
    assert_refused(anybody.post("auth/verify", body), 401, "wrong_code")


def test_turning_it_off_asks_for_the_present_factor(client: Client, protected: User) -> None:
    later = client.session
    later["account_authentication_methods"] = []
    later.save()
    address = reverse("mfa_deactivate_totp")
    asked = client.post(address)
    assert asked.headers["Location"].startswith(reverse("mfa_reauthenticate"))
    assert Authenticator.objects.filter(type="totp").exists()
    client.post(asked.headers["Location"], {"code": recovery_codes(protected)[0]})
    client.post(address)
    assert not Authenticator.objects.exists()
    assert "Set up an authenticator app" in client.get(reverse("mfa_index")).content.decode()


def _request_code() -> str:
    request_code(email="ada@example.org", by=actor())
    return mailed_code()
