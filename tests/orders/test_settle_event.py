"""An event that cannot be settled is tried a counted number of times, then set aside as one break."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from orders.models import Break, StripeEvent
from orders.use_cases.payments import settle_event as settling
from orders.use_cases.payments.settle_event import MAX_ATTEMPTS, SET_ASIDE, try_event
from orders.use_cases.payments.sweep_payments import sweep_payments
from orders.use_cases.reconciliation.reconcile_stripe import EVENTS, reconcile_stripe
from tests.factories import actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

TYPE = "charge.dispute.created"


def store_event(number: int, **document: Any) -> StripeEvent:
    """Store an event that the webhook received an hour ago and whose job was lost."""
    event = StripeEvent.objects.create(
        id=f"evt_{number}",
        type=TYPE,
        payload={"data": {"object": {"id": f"dp_{number}", "object": "dispute", **document}}},
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    StripeEvent.objects.update(received_at=timezone.now() - timedelta(hours=1))
    return event


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> StripeEvent:
    """An event that a mistake of ours keeps from being settled."""
    settle = settling._HANDLERS[TYPE]

    def fail_for_poison(document: Any, event: StripeEvent) -> str:
        if document.get("poison"):
            raise KeyError("nobody thought of this")
        return settle(document, event)

    monkeypatch.setitem(settling._HANDLERS, TYPE, fail_for_poison)
    return store_event(1, poison=True)


def heal(event: StripeEvent) -> None:
    """Settle it from now on, as after an update of the service."""
    event.payload["data"]["object"]["poison"] = False
    event.save(update_fields=["payload"])


def breaks_of(event: StripeEvent) -> list[tuple[dict[str, Any], bool]]:
    found = Break.objects.filter(kind=Break.Kind.EVENT_NOT_SETTLED, object_id=event.id)
    return [(each.details, each.closed_at is None) for each in found]


def test_the_sweeper_sets_it_aside_once_and_settles_the_others(poisoned: StripeEvent) -> None:
    others = [store_event(number) for number in (2, 3)]

    rounds = [sweep_payments() for _ in range(MAX_ATTEMPTS)]

    assert sorted(rounds[0].settled) == [each.id for each in others]
    assert [each.failed for each in rounds] == [[poisoned.id]] * MAX_ATTEMPTS
    poisoned.refresh_from_db()
    assert (poisoned.attempts, poisoned.settled_at) == (MAX_ATTEMPTS, None)
    details = {"type": TYPE, "error": "KeyError", "attempts": str(MAX_ATTEMPTS)}
    assert breaks_of(poisoned) == [(details, True)]
    with nothing_changes():
        assert sweep_payments().failed == []


def test_its_job_fails_until_it_is_set_aside(poisoned: StripeEvent) -> None:
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(KeyError):
            try_event(event_id=poisoned.id)
    assert breaks_of(poisoned) == []
    assert try_event(event_id=poisoned.id) == SET_ASIDE
    assert len(breaks_of(poisoned)) == 1


def test_an_attempt_without_a_database_is_not_counted(poisoned: StripeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "connection", SimpleNamespace(is_usable=lambda: False))
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(KeyError):
            try_event(event_id=poisoned.id)
    poisoned.refresh_from_db()
    assert poisoned.attempts == 0


def test_repair_tries_it_again_and_closes_the_break(poisoned: StripeEvent) -> None:
    for _ in range(MAX_ATTEMPTS):
        sweep_payments()

    def run(*, repair: bool) -> list[tuple[str, bool]]:
        result = reconcile_stripe(
            since=timedelta(days=1), repair=repair, by=actor(), within=timedelta(minutes=1), parts=[EVENTS]
        )
        assert result.unread == {}
        return [(each.object_id, each.repaired) for each in result.findings]

    assert run(repair=False) == [(poisoned.id, False)]
    assert run(repair=True) == [(poisoned.id, False)]
    heal(poisoned)
    assert run(repair=True) == [(poisoned.id, True)]
    assert run(repair=True) == []
    assert [is_open for _, is_open in breaks_of(poisoned)] == [False]
    poisoned.refresh_from_db()
    assert poisoned.outcome == "dispute"
