"""Reads the state of the work from the database at each scrape. Every process would answer the same."""

import json
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_STATEMENT = (Path(__file__).parent / "state.sql").read_text(encoding="utf-8")
# A scrape waits no longer for the database.
_TIMEOUT_MS = 5_000

# Each metric with its labels, and its description.
STATE: dict[str, tuple[tuple[str, ...], str]] = {
    "qasima_jobs": (("queue", "status"), "Jobs that are due (todo) or running (doing)"),
    "qasima_jobs_failed": ((), "Jobs that failed for good; they stay until staff look"),
    "qasima_jobs_oldest_seconds": (("queue", "status"), "Time since the oldest due or running job last changed"),
    "qasima_workers": ((), "Workers of a queue whose heartbeat is younger than 30 seconds"),
    "qasima_events_undelivered": ((), "Events that the broker has not got yet, at most 100,000"),
    "qasima_events_oldest_undelivered_seconds": ((), "Age of the oldest event that the broker has not got"),
    "qasima_events_refused": ((), "Events that the broker refused; staff resend or close them"),
    "qasima_received_events_set_aside": (
        (),
        "Events of other systems that could not be applied; staff apply or close them",
    ),
    "qasima_webhooks": (("status",), "Endpoints of webhooks that are active or paused"),
    "qasima_webhook_deliveries_failed": (
        (),
        "Deliveries of webhooks that failed for good; staff resend or close them",
    ),
    "qasima_stripe_events_unsettled": ((), "Events of Stripe that wait to be settled"),
    "qasima_stripe_events_oldest_unsettled_seconds": ((), "Age of the oldest event that waits to be settled"),
    "qasima_stripe_events_set_aside": ((), "Events of Stripe whose settling failed too often"),
    "qasima_holds": (("age",), "Active holds of credit for open payments: of the last hour, day, week, or older"),
    "qasima_holds_minor": (("age",), "Credit that active holds set aside, smallest unit"),
    "qasima_holds_oldest_seconds": ((), "Age of the oldest active hold"),
    "qasima_payments_waiting": (("status",), "Payments that wait for a customer or a bank"),
    "qasima_payments_unanswered": ((), "Payments whose outcome at Stripe is unknown after their lease"),
    "qasima_campaign_budget_minor": (("campaign",), "Budget of an active campaign, smallest unit"),
    "qasima_campaign_budget_left_minor": (("campaign",), "What is left of it"),
    "qasima_breaks_open": (("kind",), "Discrepancies that staff have to resolve"),
    "qasima_books_verified_timestamp_seconds": (("books",), "When ledger and redemptions were last verified"),
    "qasima_books_wrong": (("books",), "1 if the last verification found a fault"),
    "qasima_outside_calls_held": ((), "1 while a restored database sends no mail, event or charge"),
    "qasima_database_connections": (("state",), "Connections to the database by state"),
    "qasima_database_max_connections": ((), "How many connections PostgreSQL accepts"),
    "qasima_log_archiving_fails": ((), "1 while PostgreSQL cannot archive its log for the backups"),
    "qasima_database_bytes": ((), "Size of the database"),
}
# Without a broker no event is meant to be delivered, so these would alert for ever.
_OF_BROKER = {"qasima_events_undelivered", "qasima_events_oldest_undelivered_seconds"}


class DatabaseState(Collector):
    """Collects the state of the work. Without a database only `qasima_database_up` is left, and it is 0."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            rows = _read()
        except (DatabaseError, InterfaceError):
            rows = None
        yield GaugeMetricFamily("qasima_database_up", "1 if the database answered", value=float(rows is not None))
        if rows is None:
            return
        for name, (labels, description) in STATE.items():
            if name in _OF_BROKER and not settings.EVENTS_URL:
                continue
            family = GaugeMetricFamily(name, description, labels=labels)
            for values, value in rows.get(name, ()):
                family.add_metric([values[label] for label in labels], value)
            yield family


def _read() -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
        cursor.execute(_STATEMENT)
        for name, labels, value in cursor.fetchall():
            found.setdefault(name, []).append((json.loads(labels), value))
    return found
