"""Events that staff give up: closed in the console with a reason, no longer counted, and still there to try again."""

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, SUPERADMIN, SUPPORT
from billing.errors import ReasonRequired
from billing.models import AuditEntry
from orders.models import DeadLetter, OutboxEvent
from orders.use_cases.events.apply_dead_letter import apply_dead_letter
from orders.use_cases.events.close_undelivered import close_dead_letter, close_event
from orders.use_cases.events.resend_event import resend_event
from tests.config.metrics.test_state import collect
from tests.console import client_of, create_user, expected_audit_entry, latest_audit_entry
from tests.factories import actor

pytestmark = pytest.mark.django_db
WHY = "the sender sends it anew"


@pytest.fixture
def letter() -> DeadLetter:
    body = b'{"type": "other"}'
    return DeadLetter.objects.create(key="1", topic="sme.tenant.events", body=body, reason="the event has no id")


@pytest.fixture
def event() -> OutboxEvent:
    return OutboxEvent.objects.create(
        type="test", topic="sme.test", source="qasima", refused_at=timezone.now(), refusal="too large"
    )


def counted() -> tuple[float, float]:
    found = collect()
    return found["qasima_received_events_set_aside", ""], found["qasima_events_refused", ""]


def test_staff_close_both_kinds_with_a_reason(letter: DeadLetter, event: OutboxEvent) -> None:
    assert counted() == (1, 1)
    staff = create_user(SUPERADMIN)
    browser = client_of(staff)
    for model, record, action, filtered, still_open in (
        ("orders_deadletter", letter, "dead_letter.closed", "state", "open"),
        ("orders_outboxevent", event, "event.closed", "delivery", "refused"),
    ):
        page = reverse(f"admin:{model}_change", args=[record.pk])
        address = reverse(f"admin:{model}_close", args=[record.pk])
        assert address in browser.get(page).content.decode()
        browser.submit(address, {"reason": " "})
        closed = type(record).objects.exclude(closed_at=None)
        assert not closed.exists()
        browser.submit(address, {"reason": WHY})
        assert closed.count() == 1
        assert latest_audit_entry() == expected_audit_entry(staff, action, record.pk, why=WHY)
        shown = browser.get(page).content.decode()
        assert address not in shown and 'badge-plain">closed' in shown
        for value, is_listed in (("closed", True), (still_open, False)):
            listed = browser.get(reverse(f"admin:{model}_changelist"), {filtered: value}).content.decode()
            assert (str(record.pk) in listed) is is_listed
    assert counted() == (0, 0)


def test_who_may_not_act_closes_nothing(letter: DeadLetter, event: OutboxEvent) -> None:
    auditor, support = client_of(create_user(AUDITOR)), client_of(create_user(SUPPORT))
    of_letter = reverse("admin:orders_deadletter_close", args=[letter.pk])
    of_event = reverse("admin:orders_outboxevent_close", args=[event.pk])
    for browser, address in ((auditor, of_letter), (auditor, of_event), (support, of_letter)):
        assert browser.post(address, {"reason": WHY}).status_code == 403
    # Support may send an event again, and so may close it.
    assert support.get(of_event).status_code == 200
    assert counted() == (1, 1)


def test_a_second_closing_changes_nothing_and_a_reason_is_needed(letter: DeadLetter, event: OutboxEvent) -> None:
    with pytest.raises(ReasonRequired):
        close_dead_letter(dead_letter_id=letter.pk, by=actor(), reason=" ")
    with pytest.raises(ReasonRequired):
        close_event(event_id=event.pk, by=actor(), reason=" ")
    for _ in range(2):
        close_dead_letter(dead_letter_id=letter.pk, by=actor(), reason=WHY)
        close_event(event_id=event.pk, by=actor(), reason=WHY)
    assert AuditEntry.objects.filter(action__endswith=".closed").count() == 2
    waiting = OutboxEvent.objects.create(type="test", topic="sme.test", source="qasima")
    assert close_event(event_id=waiting.pk, by=actor(), reason=WHY).closed_at is None


def test_a_closed_one_can_be_tried_again(letter: DeadLetter, event: OutboxEvent) -> None:
    close_dead_letter(dead_letter_id=letter.pk, by=actor(), reason=WHY)
    close_event(event_id=event.pk, by=actor(), reason=WHY)
    assert apply_dead_letter(dead_letter_id=letter.pk, parse_report=lambda data: pytest.fail("it is no report"))
    resend_event(event_id=event.pk, why="the broker's limit was raised", by=actor())
    letter.refresh_from_db()
    event.refresh_from_db()
    assert (letter.applied_at is not None, letter.closed_at) == (True, None)
    assert (event.refused_at, event.closed_at) == (None, None)
