"""Alerts over HTTP: staff read those of uses of codes and of limits, and close one with a reason."""

import pytest

from billing.models import AuditEntry
from promos.models import Alert
from tests.snapshot import nothing_changes

from .api_client import by_token
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db

FIELDS = {"id", "kind", "subject", "number", "allowed", "opened_at", "last_seen_at", "closed_at", "closed_by"}


def test_an_alert_is_read_and_closed_once() -> None:
    Alert.objects.create(kind="address", subject="203.0.113.9", number=101)
    Alert.objects.create(kind="budget_80", subject="Spring", number=400_000, allowed=500_000)
    noor = by_token("sovereign-admin", "noor")
    spring, address = noor.get("billing/alerts?status=open").body
    assert spring.keys() == FIELDS
    assert (spring["kind"], spring["number"], spring["allowed"]) == ("budget_80", 400_000, 500_000)
    assert by_token("auditor").get("billing/alerts").body == [spring, address]
    closed = noor.post(f"billing/alerts/{address['id']}/close", {"reason": "our own test"})
    assert (closed.status, closed.body["closed_by"]) == (200, "noor")
    assert noor.get("billing/alerts?status=open").body == [spring]
    assert noor.get("billing/alerts?status=closed").body == [closed.body]
    assert AuditEntry.objects.get(action="alert.closed").reason == "our own test"
    with nothing_changes():
        again = noor.post(f"billing/alerts/{address['id']}/close", {"reason": "again"})
        assert (again.status, again.body) == (200, closed.body)
        assert "status" in noor.get("billing/alerts?status=lost").body["fields"]
        unknown = "billing/alerts/01890000-0000-7000-8000-000000000000/close"
        assert_refused(noor.post(unknown, {"reason": "x"}), 404, "alert_not_found")
