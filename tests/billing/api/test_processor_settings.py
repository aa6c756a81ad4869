"""GET and PUT billing/admin/settings."""

from typing import Any

import pytest
from django.test import Client

from billing.models import ProcessorSettings
from tests.billing.api.conftest import bearer
from tests.snapshot import nothing_changes

URL = "/api/billing/admin/settings"
SECRET = "sk_test_51Hello0000000001234"
WEBHOOK = "whsec_hello0000000005678"
PUBLIC = "pk_test_hello9012"

pytestmark = pytest.mark.django_db


def get(api: Client, role: str = "superadmin") -> Any:
    return api.get(URL, headers=bearer(role=role))


def put(api: Client, body: Any, role: str = "superadmin") -> Any:
    return api.put(URL, body, content_type="application/json", headers=bearer(role=role))


def test_settings_without_keys_say_so(api: Client) -> None:
    answer = get(api)
    assert answer.status_code == 200
    assert answer.json() == {
        "stripe_secret_key_configured": False,
        "stripe_webhook_secret_configured": False,
        "stripe_secret_key_last4": "",
        "stripe_webhook_secret_last4": "",
        "stripe_public_key": "",
        "updated_at": None,
    }


def test_keys_go_in_and_only_their_last_four_come_out(api: Client) -> None:
    body = {"stripe_secret_key": SECRET, "stripe_webhook_secret": WEBHOOK, "stripe_public_key": PUBLIC}
    answer = put(api, body)
    assert answer.status_code == 200
    assert answer.json() | {"updated_at": ""} == {
        "stripe_secret_key_configured": True,
        "stripe_webhook_secret_configured": True,
        "stripe_secret_key_last4": "1234",
        "stripe_webhook_secret_last4": "5678",
        "stripe_public_key": PUBLIC,
        "updated_at": "",
    }
    assert get(api).json() == answer.json()
    for secret in (SECRET, WEBHOOK):
        assert secret not in answer.content.decode() + get(api).content.decode()
    assert answer.headers["Cache-Control"] == "no-store"


def test_absent_is_unchanged_and_empty_is_cleared(api: Client) -> None:
    put(api, {"stripe_secret_key": SECRET, "stripe_webhook_secret": WEBHOOK})
    answer = put(api, {"stripe_webhook_secret": ""}).json()
    assert answer["stripe_secret_key_last4"] == "1234"
    assert answer["stripe_webhook_secret_configured"] is False


def test_an_initial_value_of_the_environment_is_shown_and_can_be_cleared(api: Client, settings: Any) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = "sk_live_environment4321"
    assert get(api).json()["stripe_secret_key_last4"] == "4321"
    assert put(api, {"stripe_secret_key": ""}).json()["stripe_secret_key_configured"] is False


def test_reading_takes_one_query(api: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        get(api)


@pytest.mark.parametrize("role", ["customer", "auditor", "sovereign-admin"])
def test_only_a_superadmin_may(api: Client, role: str) -> None:
    with nothing_changes():
        assert get(api, role).status_code == 403
        assert put(api, {"stripe_secret_key": SECRET}, role).status_code == 403


def test_without_identity_it_is_401(api: Client) -> None:
    assert api.get(URL).status_code == 401
    assert api.put(URL, {}, content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"stripe_secret_key": "pk_test_public"}, "stripe_secret_key"),
        ({"stripe_secret_key": None}, "stripe_secret_key"),
        ({"stripe_secret_key": 7}, "stripe_secret_key"),
        ({"stripe_secret_key": "sk_test_" + "x" * 300}, "stripe_secret_key"),
        ({"stripe_webhook_secret": "sk_test_secret"}, "stripe_webhook_secret"),
        ({"stripe_public_key": "sk_live_secret"}, "stripe_public_key"),
    ],
)
def test_an_invalid_key_is_refused_without_being_repeated(api: Client, body: dict[str, Any], field: str) -> None:
    with nothing_changes():
        answer = put(api, body)
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert str(body[field]) not in answer.content.decode() or body[field] in (None, 7)


@pytest.mark.parametrize("body", [[], "sk_test_x", None, 5])
def test_a_body_that_is_no_object_is_400(api: Client, body: Any) -> None:
    with nothing_changes():
        assert put(api, body).status_code == 400


def test_a_key_that_cannot_be_decrypted_is_a_503_that_names_it(api: Client, settings: Any) -> None:
    put(api, {"stripe_secret_key": SECRET})
    settings.SECRET_KEY = "another one"
    answer = get(api)
    assert answer.status_code == 503
    assert answer.json()["code"] == "processor_settings_unreadable"
    assert "stripe_secret_key" in answer.json()["error"]
    # A new key replaces the unreadable one; this test signs its tokens with another secret.
    assert put(api, {"stripe_secret_key": SECRET}).status_code == 200
    assert ProcessorSettings.objects.count() == 1


def test_a_key_never_reaches_the_log(api: Client, caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        put(api, {"stripe_secret_key": SECRET, "stripe_webhook_secret": WEBHOOK})
        put(api, {"stripe_secret_key": "sk_test_with a space"})
    assert SECRET not in caplog.text
    assert WEBHOOK not in caplog.text
    assert "sk_test_with" not in caplog.text
