"""Subscribers get each event signed, at least once, and a dead or slow one holds up no other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing.models import AuditEntry
from orders.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from orders.use_cases.webhooks import deliver_webhooks as module
from orders.use_cases.webhooks import keep_endpoints
from orders.use_cases.webhooks.deliver_webhooks import deliver_webhooks
from orders.use_cases.webhooks.keep_endpoints import (
    Registered,
    pause_endpoint,
    register_endpoint,
    resume_endpoint,
    retire_endpoint,
)
from orders.use_cases.webhooks.resend_failed import resend_failed
from tests.factories import actor

from .receiver import Receiver, receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("private_endpoints")]
WAIT_SECONDS = 30
FAILED, PENDING, DELIVERED = "failed", "pending", "delivered"


def record(number: int = 0, *, type_: str = "tenant.created") -> OutboxEvent:
    return OutboxEvent.objects.create(
        type=type_, topic="sme.tenant.events", source="qasima", tenant_id=uuid4(), data={"number": number}
    )


def register(to: Receiver, **options: Any) -> Registered:
    return register_endpoint(url=to.url, by=actor(), **options)


def deliver() -> None:
    """One round: what is due is sent, and answered."""
    deliver_webhooks(seconds=0.05)


@contextmanager
def delivering() -> Iterator[None]:
    """Deliver in the background, until every endpoint is paused at the end of the block."""

    def run() -> None:
        deliver_webhooks(seconds=60)
        connection.close()

    rounds = threading.Thread(target=run)
    rounds.start()
    try:
        yield
    finally:
        for endpoint in WebhookEndpoint.objects.filter(status="active"):
            pause_endpoint(endpoint_id=endpoint.pk, by=actor(), reason="the test ends")
        rounds.join()


def make_due() -> None:
    WebhookDelivery.objects.update(next_attempt_at=timezone.now())
    WebhookEndpoint.objects.filter(failures__gt=0).update(retry_at=timezone.now())


def states(of: Registered) -> list[str]:
    return sorted(WebhookDelivery.objects.filter(endpoint=of.endpoint).values_list("status", flat=True))


def test_an_event_is_sent_signed_once_to_each_endpoint_that_wants_it() -> None:
    with receiver() as first, receiver() as second, receiver() as other:
        all_events, orders = register(first), register(second, types=["order.placed", "tenant.created"])
        register(other, types=["tenant.deleted"])
        event = record(7)
        deliver()
        deliver()
        for found, registered in ((first, all_events), (second, orders)):
            [body] = found.verified(registered.secret)
            [(headers, raw)] = found.requests
            assert headers["webhook-id"] == str(event.id)
            assert headers["content-type"] == "application/json"
            assert body == {**body, "id": str(event.id), "type": "tenant.created", "data": {"number": 7}}  # type: ignore[dict-item]
            assert raw == event.as_message()
        assert other.requests == []
    [delivery] = WebhookDelivery.objects.filter(endpoint=all_events.endpoint)
    assert (delivery.status, delivery.attempts, delivery.log[0]["status"]) == (DELIVERED, 1, 204)


def test_what_is_rolled_back_is_not_queued_and_what_was_before_is_not_sent() -> None:
    record()
    with receiver() as found:
        registered = register(found)
        with transaction.atomic():
            record()
            transaction.set_rollback(True)
        deliver()
        assert found.requests == []
        retire_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="it moved")
        record()
    assert not WebhookDelivery.objects.exists()


def test_a_failure_is_retried_under_the_same_id_until_it_is_accepted() -> None:
    with receiver() as found:
        registered = register(found)
        found.answers = lambda number: 500 if number < 3 else 200
        event = record()
        for _ in range(3):
            deliver()
            make_due()
        assert [headers["webhook-id"] for headers, _ in found.requests] == [str(event.id)] * 3
    delivery = WebhookDelivery.objects.get()
    assert delivery.status == DELIVERED
    assert [each["error"] for each in delivery.log] == ["answered 500", "answered 500", ""]
    registered.endpoint.refresh_from_db()
    assert (registered.endpoint.failures, registered.endpoint.retry_at) == (0, None)


def test_a_refused_message_becomes_a_dead_letter_that_staff_send_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", (5,))
    with receiver() as found:
        registered = register(found)
        found.answers = lambda number: 422
        record()
        for _ in range(3):
            deliver()
            make_due()
        assert (states(registered), len(found.requests)) == ([FAILED], 2)
        found.answers = lambda number: 200
        delivery = WebhookDelivery.objects.get()
        for _ in range(2):
            resend_failed(
                endpoint_id=registered.endpoint.pk, delivery_id=delivery.pk, by=actor(), reason="they mended it"
            )
        deliver()
        assert states(registered) == [DELIVERED]
    assert AuditEntry.objects.filter(action="webhook.resent").count() == 1
    assert resend_failed(endpoint_id=registered.endpoint.pk, by=actor(), reason="all") == 0


def test_a_silent_subscriber_holds_up_no_other() -> None:
    with receiver(silent=True) as slow, receiver() as quick:
        stuck, registered = register(slow), register(quick)
        for number in range(30):
            record(number)
        slow.expected, quick.expected = module.MAX_IN_FLIGHT, 30
        with delivering():
            assert quick.arrived.wait(WAIT_SECONDS)
            # They are in flight at the same time, and may arrive later than all of the other's.
            assert slow.arrived.wait(WAIT_SECONDS)
            assert len(slow.requests) == module.MAX_IN_FLIGHT
            assert states(stuck) == [PENDING] * 30
            slow.released.set()
        assert states(registered) == [DELIVERED] * 30
        assert states(stuck).count(DELIVERED) >= module.MAX_IN_FLIGHT


def test_answers_that_cannot_be_recorded_hold_up_no_other_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    record_attempts = module.record_attempts

    def fail_for_one(*, endpoint_id: UUID, **given: Any) -> None:
        if endpoint_id == broken.endpoint.pk:
            raise ValueError
        record_attempts(endpoint_id=endpoint_id, **given)

    with receiver() as first, receiver() as second:
        broken, sound = register(first), register(second)
        record()
        with monkeypatch.context() as patch:
            patch.setattr(module, "record_attempts", fail_for_one)
            deliver()
        assert (states(broken), states(sound), len(first.requests)) == ([PENDING], [DELIVERED], 1)
        deliver()
        assert (states(broken), len(first.requests), len(second.requests)) == ([DELIVERED], 2, 1)


def test_an_endpoint_that_accepts_nothing_gets_one_request_at_a_time_and_is_paused(settings: Any) -> None:
    with receiver() as found:
        registered = register(found)
        found.answers = lambda number: 503
        for number in range(20):
            record(number)
        deliver()
        assert len(found.requests) == module.MAX_IN_FLIGHT
        deliver()
        assert len(found.requests) == module.MAX_IN_FLIGHT
        make_due()
        deliver()
        assert len(found.requests) == module.MAX_IN_FLIGHT + 1
        long_ago = timezone.now() - timedelta(hours=settings.WEBHOOK_PAUSE_HOURS)
        WebhookEndpoint.objects.update(failing_since=long_ago)
        make_due()
        deliver()
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.status, endpoint.pause_reason) == (
            "paused",
            "it accepted nothing for 24 hours: answered 503",
        )
        assert states(registered) == [PENDING] * 20
        record(20)
        found.answers = lambda number: 200
        resume_endpoint(endpoint_id=endpoint.pk, by=actor(), reason="it answers again")
        found.expected = len(found.requests) + 21
        with delivering():
            assert found.arrived.wait(WAIT_SECONDS)
        assert states(registered) == [DELIVERED] * 21
    assert AuditEntry.objects.filter(action="webhook.paused").earliest("id").actor_id == "webhooks"


def test_an_endpoint_that_is_gone_is_paused_at_once() -> None:
    with receiver() as found:
        register(found)
        found.answers = lambda number: 410
        record()
        deliver()
    assert WebhookEndpoint.objects.get().status == "paused"


def test_a_paused_endpoint_gets_nothing_until_it_is_resumed() -> None:
    with receiver() as found:
        registered = register(found)
        pause_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="a move")
        record()
        deliver()
        assert found.requests == []
        resume_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="moved")
        deliver()
        assert len(found.requests) == 1


def test_what_waits_for_a_retired_endpoint_has_failed() -> None:
    with receiver() as found:
        registered = register(found)
        record()
        retire_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="it moved")
        deliver()
        assert found.requests == []
    assert states(registered) == [FAILED]


def test_a_resumed_endpoint_gets_at_once_what_it_had_refused_before() -> None:
    with receiver() as found:
        registered = register(found)
        found.answers = lambda number: 500 if number == 1 else 200
        record()
        deliver()
        pause_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="they mend it")
        resume_endpoint(endpoint_id=registered.endpoint.pk, by=actor(), reason="they mended it")
        deliver()
        assert (len(found.requests), states(registered)) == (2, [DELIVERED])


def test_what_was_recorded_while_the_databases_clock_was_ahead_is_sent_at_once() -> None:
    with receiver() as found:
        registered = register(found)
        record()
        WebhookDelivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
        deliver()
        assert states(registered) == [DELIVERED]


def test_an_endpoint_that_failed_while_the_workers_clock_was_ahead_is_tried_again(settings: Any) -> None:
    later = timezone.now() + timedelta(hours=30)
    with receiver() as found:
        registered = register(found)
        found.answers = lambda number: 500 if number == 1 else 200
        record()
        deliver()
        WebhookEndpoint.objects.update(failing_since=later, retry_at=later)
        WebhookDelivery.objects.update(next_attempt_at=later)
        deliver()
        assert (len(found.requests), states(registered)) == (2, [DELIVERED])


def test_an_endpoint_whose_times_cannot_be_corrected_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as found, receiver() as others:
        broken, sound = register(found), register(others)
        record()
        WebhookDelivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))

        def fail_for_broken(endpoint: WebhookEndpoint) -> None:
            if endpoint.pk == broken.endpoint.pk:
                raise RuntimeError
            keep_endpoints.make_due(endpoint)

        monkeypatch.setattr(module, "make_due", fail_for_broken)
        deliver()
        assert (states(broken), states(sound)) == ([PENDING], [DELIVERED])


def test_a_pause_that_is_not_over_is_kept() -> None:
    with receiver() as found:
        register(found)
        found.answers = lambda number: 500
        record()
        deliver()
        before = WebhookDelivery.objects.get().next_attempt_at
        deliver()
        assert (len(found.requests), WebhookDelivery.objects.get().next_attempt_at) == (1, before)
