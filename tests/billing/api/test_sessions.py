from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from billing.models import User
from tests.billing.api.conftest import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.api.probe")]


@pytest.fixture
def user() -> User:
    user = User.objects.create_user("noor@example.org", email="noor@example.org", sub="noor")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def csrf_token(api: Client) -> dict[str, str]:
    api.cookies["csrftoken"] = "a" * 32
    return {"X-CSRFToken": "a" * 32}


def join(user: User, *groups: str) -> None:
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])


def test_an_address_that_a_customer_has_not_proved_counts_as_none(api: Client, user: User) -> None:
    user.emailaddress_set.all().delete()
    api.force_login(user)
    assert api.get("/api/whoami").json()[:2] == ["noor", ""]


def test_a_session_identifies_the_same_way_as_a_token(api: Client, user: User) -> None:
    api.force_login(user)
    assert api.get("/api/whoami").json() == ["noor", "noor@example.org", "customer", "127.0.0.1", "api"]


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ([], "customer"),
        (["auditor"], "auditor"),
        (["auditor", "sovereign-admin"], "sovereign-admin"),
        (["sovereign-admin", "superadmin"], "superadmin"),
        (["something else"], "customer"),
    ],
)
def test_the_role_is_the_strongest_of_the_groups(api: Client, user: User, groups: list[str], role: str) -> None:
    join(user, *groups)
    api.force_login(user)
    assert api.get("/api/whoami").json()[2] == role


def test_a_superuser_is_a_superadmin(api: Client, user: User) -> None:
    user.is_superuser = True
    user.save()
    api.force_login(user)
    assert api.get("/api/whoami").json()[2] == "superadmin"


def test_a_change_by_session_needs_the_csrf_token(api: Client, user: User) -> None:
    api.force_login(user)
    answer = api.post("/api/whoami")
    assert answer.status_code == 403
    assert answer.json() == {"error": "the CSRF token is missing or wrong", "code": "csrf_failed"}
    assert api.post("/api/whoami", headers=csrf_token(api)).status_code == 200


def test_the_csrf_token_is_not_taken_from_a_form(api: Client, user: User) -> None:
    api.force_login(user)
    token = csrf_token(api)["X-CSRFToken"]
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        body = f"csrfmiddlewaretoken={token}"
        answer = api.post("/api/vouchers", body, content_type=content_type)
        assert answer.json()["code"] == "csrf_failed"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("{", "application/json", "malformed_json"),
        ("a=b", "application/x-www-form-urlencoded", "unsupported_media_type"),
        ("--x--", "multipart/form-data; boundary=x", "unsupported_media_type"),
    ],
)
def test_the_role_is_checked_before_the_body(
    api: Client, user: User, body: str, content_type: str, code: str
) -> None:
    api.force_login(user)
    headers = csrf_token(api)
    answer = api.post("/api/vouchers", body, content_type=content_type, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    join(user, "sovereign-admin")
    answer = api.post("/api/vouchers", body, content_type=content_type, headers=headers)
    assert answer.json()["code"] == code


def test_a_token_needs_no_csrf_token_and_goes_before_the_session(api: Client, user: User) -> None:
    api.force_login(user)
    assert api.post("/api/whoami", headers=bearer()).json()[0] == "ada"
    assert api.get("/api/whoami", headers=bearer(sub="")).status_code == 401


def test_a_deactivated_user_has_no_identity(api: Client, user: User) -> None:
    api.force_login(user)
    User.objects.update(is_active=False)
    assert api.get("/api/whoami").status_code == 401


def test_a_token_costs_no_query(api: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        api.get("/api/whoami", headers=bearer())
