"""The console's page of Stripe's keys."""

from http import HTTPStatus
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry
from billing.use_cases.processor_settings import change_processor_keys, processor_keys
from tests.console import ADDRESS, Browser, client_of, create_user
from tests.factories import actor
from tests.snapshot import nothing_changes

SECRET = "sk_test_51Hello0000000001234"
WEBHOOK = "whsec_hello0000000005678"

pytestmark = pytest.mark.django_db


@pytest.fixture
def url() -> str:
    return reverse("admin:billing_processorsettings_changelist")


@pytest.fixture
def client() -> Browser:
    return client_of(create_user(SUPERADMIN))


def page(client: Browser, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == HTTPStatus.OK
    return answer.content.decode()


def test_a_superadmin_sets_keys_with_a_reason_and_sees_only_their_ends(client: Browser, url: str) -> None:
    form = {"stripe_secret_key": SECRET, "stripe_webhook_secret": WEBHOOK, "reason": "opening"}
    answer = client.submit(url, form, follow=True)
    shown = answer.content.decode()
    assert "set, ends in 1234" in shown
    assert "set, ends in 5678" in shown
    assert SECRET not in shown
    assert WEBHOOK not in shown
    assert (processor_keys().secret_key, processor_keys().webhook_secret) == (SECRET, WEBHOOK)
    entry = AuditEntry.objects.get(action="processor_settings.changed")
    assert (entry.reason, entry.channel, entry.address, entry.actor_role) == ("opening", "admin", ADDRESS, SUPERADMIN)


def test_an_empty_input_changes_nothing_and_a_box_clears(client: Browser, url: str) -> None:
    change_processor_keys(by=actor(), stripe_secret_key=SECRET, stripe_webhook_secret=WEBHOOK)
    client.submit(url, {"stripe_secret_key": "", "clear_stripe_webhook_secret": "on", "reason": "leaving"})
    assert (processor_keys().secret_key, processor_keys().webhook_secret) == (SECRET, "")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"stripe_secret_key": "pk_test_public", "reason": "x"}, "Must begin with sk_test_"),
        ({"stripe_secret_key": SECRET}, "This field is required"),
        ({"stripe_secret_key": SECRET, "clear_stripe_secret_key": "on", "reason": "x"}, "not both"),
        ({"reason": "x"}, "Enter a new key, or choose one to clear"),
    ],
)
def test_invalid_input_is_shown_as_an_error_and_changes_nothing(
    client: Browser, url: str, form: dict[str, str], message: str
) -> None:
    with nothing_changes():
        answer = client.submit(url, form)
    assert message in answer.content.decode()
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("role", [AUDITOR, SOVEREIGN_ADMIN])
def test_no_other_role_sees_or_changes_it(url: str, role: str) -> None:
    client = client_of(create_user(role))
    with nothing_changes():
        assert client.get(url).status_code == HTTPStatus.FORBIDDEN
        answer = client.submit(url, {"stripe_secret_key": SECRET, "reason": "x"})
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_the_row_has_no_page_that_shows_its_columns(client: Browser, url: str) -> None:
    change_processor_keys(by=actor(), stripe_secret_key=SECRET)
    change = reverse("admin:billing_processorsettings_change", args=[1])
    assert client.get(change).headers["Location"] == url
    assert client.get(reverse("admin:billing_processorsettings_add")).status_code in (302, 403)
    assert (
        client.post(reverse("admin:billing_processorsettings_delete", args=[1])).status_code == HTTPStatus.FORBIDDEN
    )


def test_unreadable_keys_are_reported_and_can_be_replaced(client: Browser, url: str, settings: Any) -> None:
    change_processor_keys(by=actor(), stripe_secret_key=SECRET)
    session_key, settings.SECRET_KEY = settings.SECRET_KEY, "another one"
    # Sessions are signed with the same key.
    client.force_login(create_user("superuser"))
    assert "unreadable" in page(client, url)
    client.submit(url, {"stripe_secret_key": SECRET, "reason": "the key changed"})
    assert processor_keys().secret_key == SECRET
    settings.SECRET_KEY = session_key
