"""Endpoints are registered, changed and given new secrets, each act with its audit entry; secrets stay encrypted."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from django.core.management import call_command
from django.utils import timezone
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from billing.errors import OutsideCallsHeld, ReasonRequired
from billing.models import AuditEntry, Restoration
from orders.errors import InvalidWebhookEndpoint, TooManyWebhookEndpoints, WebhookEndpointRetired
from orders.models import WebhookEndpoint
from orders.use_cases.webhooks import keep_endpoints
from orders.use_cases.webhooks.endpoint_secrets import (
    MAX_EARLIER_SECRETS,
    OVERLAP,
    decrypt_secret,
    reveal_secret,
    rotate_secret,
    sign,
    signing_secrets,
)
from orders.use_cases.webhooks.keep_endpoints import change_endpoint, register_endpoint, retire_endpoint
from orders.use_cases.webhooks.send_test import send_test
from tests.factories import actor

from .receiver import receiver

pytestmark = pytest.mark.django_db
URL = "https://shop.example.com/hooks"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "must be an address"),
        ("ftp://example.com/", "must be an address"),
        ("https:///hooks", "must be an address"),
        ("https://example.com/#part", "must be an address"),
        ("https://example.com:0/", "must be an address"),
        ("https://example.com:99999/", "must be an address"),
        ("https://example.com/a b", "must be an address"),
        ("https://[::1", "must be an address"),
        (f"https://example.com/{'a' * 500}", "must be an address"),
        ("https://user:word@example.com/", "must not contain a user"),
        ("http://example.com/", "must begin with https://"),
        ("https://127.0.0.1/", "127.0.0.1 is not a public address"),
        ("https://[::ffff:10.0.0.1]/", "::ffff:a00:1 is not a public address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(InvalidWebhookEndpoint) as refused:
        register_endpoint(url=url, by=actor())
    assert refused.value.fields and refused.value.fields["url"][0].startswith(sentence)
    assert not WebhookEndpoint.objects.exists()


def test_an_unknown_type_of_event_is_refused() -> None:
    with pytest.raises(InvalidWebhookEndpoint) as refused:
        register_endpoint(url=URL, types=["order.placed", "order.lost"], by=actor())
    assert refused.value.fields == {"types": ["unknown type of event: order.lost"]}


def test_the_number_of_endpoints_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_endpoints, "MAX_ENDPOINTS", 1)
    only = register_endpoint(url=URL, by=actor()).endpoint
    with pytest.raises(TooManyWebhookEndpoints):
        register_endpoint(url=URL, by=actor())
    retire_endpoint(endpoint_id=only.pk, by=actor(), reason="another one")
    register_endpoint(url=URL, by=actor())
    with pytest.raises(WebhookEndpointRetired):
        change_endpoint(endpoint_id=only.pk, url=URL, by=actor(), reason="back")


def test_a_change_names_what_changed() -> None:
    endpoint = register_endpoint(url=URL, by=actor()).endpoint
    with pytest.raises(ReasonRequired):
        change_endpoint(endpoint_id=endpoint.pk, url="https://new.example.com/", by=actor(), reason=" ")
    for _ in range(2):
        change_endpoint(endpoint_id=endpoint.pk, types=["order.placed"], by=actor(), reason="only orders")
    [entry] = AuditEntry.objects.filter(action="webhook.changed")
    assert entry.changes == {"types": [[], ["order.placed"]]}


def test_a_rotated_secret_signs_beside_the_earlier_one_for_a_day() -> None:
    registered = register_endpoint(url=URL, by=actor())
    new = rotate_secret(endpoint_id=registered.endpoint.pk, by=actor(), reason="a leaver knew it")
    endpoint = WebhookEndpoint.objects.get()
    now = timezone.now()
    headers = sign(message_id="1", body=b"{}", at=now, with_secrets=signing_secrets(endpoint, now=now))
    for secret in (new, registered.secret):
        Webhook(secret).verify("{}", headers)
    headers = sign(message_id="1", body=b"{}", at=now, with_secrets=signing_secrets(endpoint, now=now + 2 * OVERLAP))
    Webhook(new).verify("{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(registered.secret).verify("{}", headers)


def test_each_earlier_secret_signs_until_its_own_day_ends() -> None:
    key = register_endpoint(url=URL, by=actor()).endpoint.pk
    began = timezone.now()
    secrets = [reveal_secret(endpoint_id=key, by=actor(), reason="to compare")]
    for hours in (0, 10, 20, 30):
        moment = began + timedelta(hours=hours)
        secrets.insert(0, rotate_secret(endpoint_id=key, by=actor(), reason="a leaver knew it", now=moment))
    endpoint = WebhookEndpoint.objects.get()
    # The five were replaced after 0, 10, 20 and 30 hours, and the last one never.
    for hours, number in ((30, 4), (33, 4), (34, 3), (43, 3), (44, 2), (53, 2), (54, 1)):
        assert signing_secrets(endpoint, now=began + timedelta(hours=hours)) == secrets[:number]
    assert not any(each in str(list(WebhookEndpoint.objects.values())) for each in secrets)


def test_many_rotations_of_a_day_leave_the_newest_secrets() -> None:
    key = register_endpoint(url=URL, by=actor()).endpoint.pk
    secrets = [
        rotate_secret(endpoint_id=key, by=actor(), reason="a leaver knew it") for _ in range(MAX_EARLIER_SECRETS + 3)
    ]
    signing = signing_secrets(WebhookEndpoint.objects.get(), now=timezone.now())
    assert signing == secrets[: -MAX_EARLIER_SECRETS - 2 : -1]


def test_a_rotation_leaves_behind_what_no_key_decrypts(settings: Any) -> None:
    key = register_endpoint(url=URL, by=actor()).endpoint.pk
    rotate_secret(endpoint_id=key, by=actor(), reason="a leaver knew it")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "k" * 50, []
    new = rotate_secret(endpoint_id=key, by=actor(), reason="the key is lost")
    assert signing_secrets(WebhookEndpoint.objects.get(), now=timezone.now()) == [new]


def test_secrets_are_stored_encrypted_and_rotated_with_secret_key(settings: Any) -> None:
    registered = register_endpoint(url=URL, by=actor())
    earlier = rotate_secret(endpoint_id=registered.endpoint.pk, by=actor(), reason="a leaver knew it")
    new = rotate_secret(endpoint_id=registered.endpoint.pk, by=actor(), reason="another leaver knew it")
    old_key = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "k" * 50, [old_key]
    call_command("rotate_secrets", "--by", "ops", "--why", "a leaver knew the key")
    settings.SECRET_KEY_FALLBACKS = []
    endpoint = WebhookEndpoint.objects.get()
    assert signing_secrets(endpoint, now=timezone.now()) == [new, earlier, registered.secret]
    assert reveal_secret(endpoint_id=endpoint.pk, by=actor(), reason="a new subscriber") == new
    assert new not in str(list(WebhookEndpoint.objects.values())) + str(list(AuditEntry.objects.values()))
    settings.SECRET_KEY = old_key
    with pytest.raises(InvalidToken):
        decrypt_secret(endpoint.encrypted_secret)


@pytest.mark.usefixtures("private_endpoints")
def test_a_test_message_is_sent_at_once() -> None:
    with receiver() as found:
        registered = register_endpoint(url=found.url, by=actor())
        answer = send_test(endpoint_id=registered.endpoint.pk, by=actor())
        assert (answer.status, answer.error) == (204, "")
        [body] = found.verified(registered.secret)
        assert isinstance(body, dict) and body["type"] == "webhook.test"
        Restoration.objects.create()
        with pytest.raises(OutsideCallsHeld):
            send_test(endpoint_id=registered.endpoint.pk, by=actor())
    assert AuditEntry.objects.get(action="webhook.tested").changes["status"] == [None, 204]
