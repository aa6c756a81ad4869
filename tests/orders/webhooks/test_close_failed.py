"""Failed deliveries that staff give up: closed with a reason, no longer counted, and still there to send again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, SUPERADMIN
from billing.errors import ReasonRequired
from billing.models import AuditEntry
from orders.errors import WebhookDeliveryNotFound
from orders.models import OutboxEvent, WebhookDelivery
from orders.use_cases.webhooks.close_failed import close_failed
from orders.use_cases.webhooks.keep_endpoints import register_endpoint, retire_endpoint
from orders.use_cases.webhooks.resend_failed import resend_failed
from tests.config.metrics.test_state import collect
from tests.console import client_of, create_user, expected_audit_entry, latest_audit_entry
from tests.factories import actor

pytestmark = pytest.mark.django_db
WHY = "the subscriber has it from elsewhere"
URL = "https://shop.example.com/hooks"


def page(name: str, *keys: object) -> str:
    return reverse(f"admin:orders_webhookdelivery_{name}", args=keys)


@pytest.fixture
def queue() -> Callable[..., WebhookDelivery]:
    """Queues an event for the same endpoint, and gives the delivery these values."""
    endpoint = register_endpoint(url=URL, by=actor()).endpoint

    def queue(**values: Any) -> WebhookDelivery:
        event = OutboxEvent.objects.create(type="test", topic="sme.test", source="qasima")
        delivery = WebhookDelivery.objects.get(endpoint=endpoint, event=event)
        WebhookDelivery.objects.filter(pk=delivery.pk).update(**values)
        delivery.refresh_from_db()
        return delivery

    return queue


@pytest.fixture
def failed(queue: Callable[..., WebhookDelivery]) -> WebhookDelivery:
    return queue(status="failed")


def close(delivery: WebhookDelivery, *, reason: str = WHY) -> int:
    return close_failed(endpoint_id=delivery.endpoint_id, delivery_id=delivery.pk, by=actor(), reason=reason)


def counted() -> float:
    return collect()["qasima_webhook_deliveries_failed", ""]


@pytest.mark.parametrize("is_retired", [False, True])
def test_staff_close_one_with_a_reason(failed: WebhookDelivery, is_retired: bool) -> None:
    if is_retired:
        retire_endpoint(endpoint_id=failed.endpoint_id, by=actor(), reason="it moved")
    assert counted() == 1
    staff = create_user(SUPERADMIN)
    browser, shown, address = client_of(staff), page("change", failed.pk), page("close", failed.pk)
    endpoint = reverse("admin:orders_webhookendpoint_change", args=[failed.endpoint_id])
    resend_all = reverse("admin:orders_webhookendpoint_resend", args=[failed.endpoint_id])
    assert address in browser.get(shown).content.decode()
    assert (resend_all in browser.get(endpoint).content.decode()) is not is_retired
    browser.submit(address, {"reason": " "})
    assert counted() == 1
    browser.submit(address, {"reason": WHY})
    assert counted() == 0
    assert latest_audit_entry() == expected_audit_entry(staff, "webhook.closed", failed.pk, why=WHY)
    after = browser.get(shown).content.decode()
    assert address not in after and 'badge-plain">closed' in after
    of_endpoint = browser.get(endpoint).content.decode()
    assert resend_all not in of_endpoint and 'badge-plain">closed' in of_endpoint


def test_the_list_is_filtered_by_state(queue: Callable[..., WebhookDelivery]) -> None:
    now = timezone.now()
    of_state = {
        "pending": queue(),
        "delivered": queue(status="delivered", delivered_at=now),
        "failed": queue(status="failed"),
        "closed": queue(status="failed", closed_at=now),
    }
    browser = client_of(create_user(AUDITOR))
    for state in of_state:
        listed = browser.get(page("changelist"), {"state": state}).content.decode()
        assert [name for name, each in of_state.items() if page("change", each.pk) in listed] == [state]


def test_who_may_not_act_closes_nothing(failed: WebhookDelivery) -> None:
    browser = client_of(create_user(AUDITOR))
    assert page("close", failed.pk) not in browser.get(page("change", failed.pk)).content.decode()
    assert browser.post(page("close", failed.pk), {"reason": WHY}).status_code == 403
    assert counted() == 1


def test_a_second_closing_changes_nothing_and_a_reason_is_needed(
    queue: Callable[..., WebhookDelivery], failed: WebhookDelivery
) -> None:
    with pytest.raises(ReasonRequired):
        close(failed, reason=" ")
    assert [close(failed), close(failed)] == [1, 0]
    waiting = queue()
    assert close(waiting) == 0
    waiting.refresh_from_db()
    assert (waiting.status, waiting.closed_at) == ("pending", None)
    assert AuditEntry.objects.filter(action="webhook.closed").count() == 1


def test_one_of_another_endpoint_is_not_closed(failed: WebhookDelivery) -> None:
    other = register_endpoint(url=URL, by=actor()).endpoint
    with pytest.raises(WebhookDeliveryNotFound):
        close_failed(endpoint_id=other.pk, delivery_id=failed.pk, by=actor(), reason=WHY)
    assert counted() == 1


def test_a_closed_one_is_sent_again_only_by_its_id(
    queue: Callable[..., WebhookDelivery], failed: WebhookDelivery
) -> None:
    close(failed)
    still_open = queue(status="failed")
    assert resend_failed(endpoint_id=failed.endpoint_id, by=actor(), reason="they mended it") == 1
    failed.refresh_from_db()
    still_open.refresh_from_db()
    assert (failed.status, still_open.status) == ("failed", "pending")
    only = {"endpoint_id": failed.endpoint_id, "delivery_id": failed.pk}
    assert resend_failed(**only, by=actor(), reason="they want it after all") == 1
    failed.refresh_from_db()
    assert (failed.status, failed.closed_at) == ("pending", None)
