"""The console's pages of webhooks: a secret is shown after its reading is recorded, and a test tells the answer."""

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SUPERADMIN
from orders.models import DeadLetter, WebhookEndpoint
from orders.use_cases.webhooks.endpoint_secrets import decrypt_secret
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from tests.console import client_of, create_user, expected_audit_entry, form_errors, latest_audit_entry
from tests.factories import actor

from .receiver import receiver

pytestmark = pytest.mark.django_db
WHY = "a new subscriber"


def page(name: str, *keys: object) -> str:
    return reverse(f"admin:orders_webhookendpoint_{name}", args=keys)


def test_a_secret_is_shown_after_its_reading_is_recorded() -> None:
    endpoint = register_endpoint(url="https://shop.example.com/hooks", by=actor()).endpoint
    staff, address = create_user(SUPERADMIN), page("secret", endpoint.pk)
    browser, secret = client_of(staff), decrypt_secret(endpoint.encrypted_secret)
    assert secret not in browser.get(address).content.decode()
    assert secret not in browser.post(address, {"reason": " "}).content.decode()
    answer = browser.submit(address, {"reason": WHY})
    assert secret in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert latest_audit_entry() == expected_audit_entry(staff, "webhook.secret_read", endpoint.pk, why=WHY)
    assert secret not in browser.get(page("change", endpoint.pk)).content.decode()


def test_an_auditor_sees_no_secret_and_acts_on_nothing() -> None:
    endpoint = register_endpoint(url="https://shop.example.com/hooks", by=actor()).endpoint
    browser = client_of(create_user(AUDITOR))
    for name in ("edit", "secret", "rotate", "test", "resend", "pause", "resume", "retire"):
        assert browser.get(page(name, endpoint.pk)).status_code == 403
        assert browser.post(page(name, endpoint.pk), {"reason": WHY}).status_code == 403


def test_a_wrong_address_is_shown_at_its_field() -> None:
    browser = client_of(create_user(SUPERADMIN))
    errors = form_errors(browser.submit(page("add"), {"url": "https://10.0.0.1/", "reason": WHY}))
    assert errors == {"url": ["10.0.0.1 is not a public address."]}
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("private_endpoints")
def test_a_test_tells_the_answer() -> None:
    browser = client_of(create_user(SUPERADMIN))
    with receiver() as found:
        endpoint = register_endpoint(url=found.url, by=actor()).endpoint
        shown = browser.submit(page("test", endpoint.pk), {"reason": WHY}, follow=True).content.decode()
        assert "The endpoint accepted it with 204" in shown
        found.answers = lambda number: 404
        shown = browser.submit(page("test", endpoint.pk), {"reason": WHY}, follow=True).content.decode()
        assert "The endpoint did not accept it: answered 404" in shown
        assert len(found.requests) == 2


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\0", b'{"a": ' * 900 + b"1" + b"}" * 900, b"9" * 5_000])
def test_an_event_that_was_set_aside_is_shown_whatever_it_holds(body: bytes) -> None:
    letter = DeadLetter.objects.create(key="1", topic="sme.tenant.events", body=body, reason="the event is no JSON")
    answer = client_of(create_user(AUDITOR)).get(reverse("admin:orders_deadletter_change", args=[letter.pk]))
    assert answer.status_code == 200 and "the event is no JSON" in answer.content.decode()
