"""Applies the events of other systems that the broker keeps for this one: `tenant.deleted` and `provision.progress`.

Each event is applied at least once, and a second time changes nothing. One that can never be applied is set aside at
the broker and for staff, with the reason, so that those behind it go on. One that cannot be applied now is delivered
again later.
"""

import json
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_noop
from prometheus_client import Counter

from billing.actor import is_user_id, system_actor
from billing.errors import DomainError, OrganizationNotFound
from orders.broker import Broker, BrokerUnavailable, Received
from orders.models import DeadLetter
from orders.models.dead_letter import MAX_REASON_LENGTH
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.provision_organization import SOURCE, TENANT_TOPIC
from orders.use_cases.provisioning.enqueue_deployment import TOPIC as PROVISION_TOPIC
from orders.use_cases.provisioning.report_progress import Report, report_progress

TOPICS = (TENANT_TOPIC, PROVISION_TOPIC)
BATCH_SIZE = 100
# What was found in a report follows.
INVALID_REPORT = "the report is not valid: "
RETRY_SECONDS = 10
# After this many deliveries that failed for a reason that nobody foresaw, an event is set aside.
MAX_DELIVERIES = 5
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1, 30
_SERVER_ERROR = 500

ParseReport = Callable[[dict[str, Any]], Report]
logger = logging.getLogger(__name__)
_RECEIVED = Counter("qasima_events_received", "Events of other systems by outcome", ["outcome"])


class Outcome(StrEnum):
    """The result for one event."""

    APPLIED = "applied"
    IGNORED = "ignored"
    SET_ASIDE = "set_aside"
    RETRIED = "retried"


class NeverApplicable(Exception):
    """The event is malformed, or refused for what it is."""


def receive_events(*, seconds: float, parse_report: ParseReport) -> None:
    """Applies events for this long. A failure of the broker ends nothing, and is logged once.

    Args: parse_report: reads the data of a report, or raises ValueError. Transaction: owns, one for each event.
    """
    ends, pause = time.monotonic() + seconds, MIN_PAUSE_SECONDS
    while (left := ends - time.monotonic()) > 0:
        try:
            with Broker(settings.EVENTS_URL) as broker:
                while ends > time.monotonic():
                    receive_batch(broker, parse_report=parse_report)
                    pause = MIN_PAUSE_SECONDS
        except BrokerUnavailable as error:
            if pause == MIN_PAUSE_SECONDS:
                logger.warning("the broker is unavailable, its events wait: %s", error)
            time.sleep(min(pause, left))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


def receive_batch(broker: Broker, *, parse_report: ParseReport) -> list[Outcome]:
    """Applies the events that wait. Returns the outcome of each. Raises: BrokerUnavailable."""
    outcomes = []
    for topic in TOPICS:
        for received in broker.fetch(topic=topic, number=BATCH_SIZE):
            outcome = _handle(broker, received, parse_report=parse_report)
            _RECEIVED.labels(outcome.value).inc()
            outcomes.append(outcome)
    return outcomes


def _handle(broker: Broker, received: Received, *, parse_report: ParseReport) -> Outcome:
    try:
        outcome = apply_event(received.body, parse_report=parse_report)
    except NeverApplicable as error:
        return _set_aside(broker, received, reason=str(error))
    except DomainError as error:
        if error.status < _SERVER_ERROR:
            return _set_aside(broker, received, reason=error.english)
    except (OperationalError, InterfaceError):
        logger.warning("an event waits for the database")
    except Exception as error:
        # A bug must not hold up the events behind this one.
        logger.exception("an event could not be applied")
        if received.deliveries >= MAX_DELIVERIES:
            return _set_aside(broker, received, reason=type(error).__name__)
    else:
        broker.acknowledge(received)
        return outcome
    broker.redeliver(received, after_seconds=RETRY_SECONDS)
    return Outcome.RETRIED


def _set_aside(broker: Broker, received: Received, *, reason: str) -> Outcome:
    logger.warning("an event of %s is set aside: %s", received.topic, reason)
    letter = DeadLetter(
        key=received.key,
        topic=received.topic,
        body=received.body,
        reason=(reason.replace("\0", "") or "unknown")[:MAX_REASON_LENGTH],
    )
    try:
        DeadLetter.objects.bulk_create([letter], ignore_conflicts=True)
    except (OperationalError, InterfaceError):
        broker.redeliver(received, after_seconds=RETRY_SECONDS)
        return Outcome.RETRIED
    broker.set_aside(received, reason=reason)
    return Outcome.SET_ASIDE


def apply_event(body: bytes, *, parse_report: ParseReport) -> Outcome:
    """Applies one event. Its own events, which come back, and types that concern others are ignored.

    Raises: NeverApplicable, a DomainError. Transaction: owns. Idempotency: a second delivery changes nothing.
    """
    envelope = _read_envelope(body)
    if envelope.get("source") == SOURCE:
        return Outcome.IGNORED
    if envelope["type"] == "tenant.deleted":
        return _delete_tenant(envelope)
    if envelope["type"] == "provision.progress":
        try:
            report = parse_report(_read_report_data(envelope))
        except ValueError as error:
            raise NeverApplicable(f"{INVALID_REPORT}{error}") from error
        report_progress(report=report)
        return Outcome.APPLIED
    return Outcome.IGNORED


def _delete_tenant(envelope: dict[str, Any]) -> Outcome:
    try:
        key = UUID(str(envelope["data"].get("id") or envelope.get("tenant_id")))
    except ValueError as error:
        raise NeverApplicable(gettext_noop("the event names no organization")) from error
    source = envelope.get("source")
    by = system_actor(channel="worker", user_id=str(source) if is_user_id(source) else "events")
    try:
        delete_organization(organization_id=key, by=by, reason="the platform deleted it")
    except OrganizationNotFound:
        return Outcome.IGNORED
    return Outcome.APPLIED


def _read_report_data(envelope: dict[str, Any]) -> dict[str, Any]:
    """Returns the report of an event, under the event's id unless it has one of its own. Raises: NeverApplicable.

    Reports without an id would pass for one another, and only the first of them would be applied.
    """
    data = {"id": envelope.get("id"), **envelope["data"]}
    if type(data["id"]) not in (str, int):
        raise NeverApplicable(gettext_noop("the event has no id"))
    return {**data, "id": str(data["id"])}


def _read_envelope(body: bytes) -> dict[str, Any]:
    """Raises: NeverApplicable."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NeverApplicable(gettext_noop("the event is no JSON")) from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("type"), str):
        raise NeverApplicable(gettext_noop("the event has no type"))
    data = envelope.get("data")
    if data is not None and not isinstance(data, dict):
        raise NeverApplicable(gettext_noop("the event's data is no object"))
    return {**envelope, "data": data or {}}
