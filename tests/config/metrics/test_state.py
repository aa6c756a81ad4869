"""The state of the work that monitoring reads, from real rows."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from billing.jobs import enqueue
from billing.models import Verification
from billing.use_cases.ledger.hold_credit import hold_credit
from config.metrics.database_state import _STATEMENT, STATE, DatabaseState
from config.metrics.endpoint import render_metrics
from orders.models import Break, DeadLetter, OutboxEvent, StripeEvent, WebhookDelivery
from orders.use_cases.webhooks.keep_endpoints import register_endpoint
from promos.models import Campaign
from tests.factories import CampaignFactory, CustomerFactory, actor, give_credit

pytestmark = pytest.mark.django_db


def collect() -> dict[tuple[str, str], float]:
    """Return each value by the metric's name and the first label's value."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in DatabaseState().collect()
        for sample in family.samples
    }


def test_the_statement_and_the_list_of_metrics_name_the_same() -> None:
    assert set(re.findall(r"'(qasima_\w+)'", _STATEMENT)) == set(STATE)


@pytest.fixture(autouse=True)
def a_broker_is_configured(settings: Any) -> None:
    settings.EVENTS_URL = "nats://127.0.0.1:4222"


def test_without_a_broker_no_event_waits_for_it(settings: Any) -> None:
    settings.EVENTS_URL = ""
    OutboxEvent.objects.create(type="domain.added", topic="sme.domain.events", source="test")
    assert not any("undelivered" in name for name, _ in collect())


def test_an_idle_service_has_zeros_and_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(4):  # the statement, its timeout, and the transaction around both
        found = collect()
    assert found["qasima_database_up", ""] == 1
    zeros = ("events_undelivered", "events_refused", "received_events_set_aside", "stripe_events_unsettled")
    assert {found[f"qasima_{name}", ""] for name in (*zeros, "jobs_failed", "workers")} == {0}
    assert {found["qasima_holds", age] for age in ("hour", "day", "week", "older")} == {0}
    assert found["qasima_database_max_connections", ""] > 0


def test_unfinished_work_is_counted_with_its_age() -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    OutboxEvent.objects.create(type="domain.added", topic="sme.domain.events", source="test", created_at=hour_ago)
    StripeEvent.objects.create(id="evt_1", type="x", payload={}, occurred_at=hour_ago, received_at=hour_ago)
    StripeEvent.objects.create(id="evt_2", type="x", payload={}, occurred_at=hour_ago, attempts=3)
    DeadLetter.objects.create(key="sme.t-1-1", topic="sme.t", body=b"{", reason="the event is no JSON")
    DeadLetter.objects.create(key="sme.t-2-1", topic="sme.t", body=b"{}", reason="x", applied_at=hour_ago)
    DeadLetter.objects.create(key="sme.t-3-1", topic="sme.t", body=b"{}", reason="x", closed_at=hour_ago)
    for closed_at in (None, hour_ago):
        OutboxEvent.objects.create(
            type="test", topic="sme.t", source="test", refused_at=hour_ago, refusal="too large", closed_at=closed_at
        )
    endpoint = register_endpoint(url="https://shop.example.com/hooks", by=actor()).endpoint
    for closed_at in (None, hour_ago):
        event = OutboxEvent.objects.create(type="test", topic="sme.t", source="test", delivered_at=hour_ago)
        WebhookDelivery.objects.filter(endpoint=endpoint, event=event).update(status="failed", closed_at=closed_at)
    Break.objects.create(kind=Break.Kind.DISPUTE, object_id="dp_1")
    enqueue("prune_expired", timestamp="1")
    enqueue("send_proposal_mail", proposal_id="1", address="a@example.org")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE queue_name = 'mail'")
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE queue_name = 'mail'")
    found = collect()
    assert found["qasima_events_undelivered", ""] == 1
    assert found["qasima_events_oldest_undelivered_seconds", ""] >= 3600
    assert (found["qasima_stripe_events_unsettled", ""], found["qasima_stripe_events_set_aside", ""]) == (1, 1)
    assert found["qasima_stripe_events_oldest_unsettled_seconds", ""] >= 3600
    assert found["qasima_received_events_set_aside", ""] == 1
    assert found["qasima_events_refused", ""] == 1
    assert found["qasima_webhook_deliveries_failed", ""] == 1
    assert found["qasima_breaks_open", "dispute"] == 1
    assert (found["qasima_jobs", "default"], found["qasima_jobs_failed", ""]) == (1, 1)
    assert 0 <= found["qasima_jobs_oldest_seconds", "default"] < 60


def test_holds_are_counted_by_their_age() -> None:
    now = timezone.now()
    for number, hours in enumerate((0, 2, 3, 200)):
        customer = CustomerFactory.create()
        give_credit(customer, 100)
        hold_credit(
            customer_id=customer.pk, amount_minor=10 + number, order_id=uuid4(), now=now - timedelta(hours=hours)
        )
    found = collect()
    ages = ("hour", "day", "week", "older")
    assert [found["qasima_holds", age] for age in ages] == [1, 2, 0, 1]
    assert [found["qasima_holds_minor", age] for age in ages] == [10, 23, 0, 13]
    assert 200 * 3600 <= found["qasima_holds_oldest_seconds", ""] < 201 * 3600


def test_a_log_that_is_not_archived_is_told() -> None:
    assert collect()["qasima_log_archiving_fails", ""] == 0


def test_a_campaigns_budget_is_told() -> None:
    campaign = CampaignFactory.create(budget_minor=1000, status=Campaign.Status.ACTIVE)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE promos_budgetcounter SET used = quota / 4 WHERE campaign_id = %s", [campaign.pk])
    found = collect()
    assert found["qasima_campaign_budget_minor", campaign.name] == 1000
    assert found["qasima_campaign_budget_left_minor", campaign.name] == 750


def test_a_verification_is_recorded() -> None:
    call_command("verify_ledger", stdout=StringIO())
    call_command("verify_redemptions", stdout=StringIO())
    assert set(Verification.objects.values_list("books", "fault")) == {("ledger", ""), ("redemptions", "")}
    found = collect()
    assert found["qasima_books_wrong", "ledger"] == found["qasima_books_wrong", "redemptions"] == 0
    assert timezone.now().timestamp() - found["qasima_books_verified_timestamp_seconds", "ledger"] < 60


def test_no_secret_and_no_customer_is_told(client: Client) -> None:
    client.get("/api/billing/balance?token=hush", headers={"Authorization": "Bearer hush"})
    text = render_metrics().decode()
    assert "hush" not in text
    assert 'route="api/billing/balance"' in text


def test_without_a_token_there_are_no_metrics(client: Client) -> None:
    assert client.get("/metrics").status_code == 404
