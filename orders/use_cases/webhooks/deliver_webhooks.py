"""Sends the queued events to subscribers' endpoints: each at least once, under its id.

Every endpoint has its own requests in flight, so a slow or silent one holds up no other. An endpoint that accepts
nothing gets one request at a time, with growing pauses, and is paused after WEBHOOK_PAUSE_HOURS; what waits for it
stays queued. A request that an endpoint refuses while it accepts others is retried as RETRY_SECONDS says, and is then
a dead letter.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client import Counter

from billing.actor import system_actor
from billing.local_time import utc_text
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.subscribers import Answer, post

from .endpoint_secrets import sign, signing_secrets
from .keep_endpoints import make_due, pause

# How many requests one endpoint has in flight.
MAX_IN_FLIGHT = 10
# How long an idle round waits before it looks for new events.
POLL_SECONDS = 1
# The pauses between the attempts of one delivery. After the last one it has failed.
RETRY_SECONDS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
# The longest pause between two attempts at an endpoint that accepts nothing.
MAX_ENDPOINT_PAUSE_SECONDS = 300
# How many attempts a delivery's log keeps.
MAX_LOG = 20

_DUE = """
SELECT due.id FROM orders_webhookendpoint e
 CROSS JOIN LATERAL (
   SELECT id FROM orders_webhookdelivery
    WHERE endpoint_id = e.id AND status = 'pending' AND next_attempt_at <= %(now)s
    ORDER BY endpoint_id, next_attempt_at, id
    LIMIT CASE WHEN e.failures = 0 THEN %(limit)s ELSE 1 END) AS due
 WHERE e.status = 'active' AND (e.retry_at IS NULL OR e.retry_at <= %(now)s) AND NOT e.id = ANY(%(busy)s::uuid[])
"""
# A clock that was ahead recorded these times: a pause is never longer than the service makes it.
_RECORDED_AHEAD = """
SELECT e.id FROM orders_webhookendpoint e
 WHERE e.status = 'active' AND (e.retry_at > %(now)s + %(longest)s * interval '1 second' OR EXISTS (
   SELECT FROM orders_webhookdelivery d
    WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.next_attempt_at > %(now)s + interval '1 second'
      AND d.next_attempt_at > %(now)s + (%(pauses)s::int[])[d.attempts + 1] * interval '1 second'))
"""
logger = logging.getLogger(__name__)
_SENT = Counter("qasima_webhook_requests", "Requests to subscribers by outcome", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request for a delivery, and the answer to it."""

    delivery_id: UUID
    at: datetime
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Round:
    """The requests in flight: one task for each endpoint."""

    runner: asyncio.Runner
    tasks: dict[UUID, "asyncio.Task[list[Attempt]]"] = field(default_factory=dict)

    def start(self, batches: dict[UUID, list[WebhookDelivery]]) -> None:
        for endpoint_id, deliveries in batches.items():
            self.tasks[endpoint_id] = self.runner.get_loop().create_task(_send_all(deliveries))

    def wait(self, seconds: float) -> dict[UUID, list[Attempt]]:
        """Lets the requests go on until those of an endpoint are answered, or the time is over."""
        self.runner.run(_wait(list(self.tasks.values()), seconds))
        done = {key: task.result() for key, task in self.tasks.items() if task.done()}
        for key in done:
            del self.tasks[key]
        return done


def deliver_webhooks(*, seconds: float) -> None:
    """Sends what is due for this long, also what is recorded meanwhile, and waits for the answers.

    Call it from one process at a time. Transaction: owns, one for each endpoint's answers. Idempotency: by the
    events' ids, which subscribers recognize.
    """
    forget_times_ahead()
    ends = time.monotonic() + seconds
    broken: set[UUID] = set()  # endpoints whose answers could not be recorded, which wait for the next round
    with asyncio.Runner() as runner:
        flight = _Round(runner)
        while (left := ends - time.monotonic()) > 0 or flight.tasks:
            if left > 0:
                if not flight.tasks and not WebhookEndpoint.objects.filter(status="active").exists():
                    return
                flight.start(find_due(busy=[*flight.tasks, *broken]))
            # Nothing of the database is held while requests are in flight.
            connection.close()
            for endpoint_id, attempts in flight.wait(min(POLL_SECONDS, left) if left > 0 else POLL_SECONDS).items():
                try:
                    record_attempts(endpoint_id=endpoint_id, attempts=attempts)
                except Exception:
                    # A bug must not hold up the other endpoints.
                    logger.exception("the answers of a webhook endpoint were not recorded")
                    broken.add(endpoint_id)


def forget_times_ahead() -> None:
    """Makes due what waits for a time to which a clock had jumped. One query, unless there is something.

    Locks: WebhookEndpoint, then its deliveries. Transaction: owns, one for each endpoint.
    """
    pauses = [0, *RETRY_SECONDS]
    parameters: dict[str, Any] = {"now": timezone.now(), "longest": MAX_ENDPOINT_PAUSE_SECONDS, "pauses": pauses}
    with connection.cursor() as cursor:
        cursor.execute(_RECORDED_AHEAD, parameters)
        found = [endpoint_id for (endpoint_id,) in cursor.fetchall()]
    for endpoint_id in found:
        try:
            _forget_times_ahead_of(endpoint_id)
        except Exception:
            # It waits until the next round, and holds up no other endpoint.
            logger.exception("the times of a webhook endpoint were not corrected")


def _forget_times_ahead_of(endpoint_id: UUID) -> None:
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        make_due(endpoint)
        if endpoint.failures:
            endpoint.retry_at = now = timezone.now()
            endpoint.failing_since = min(endpoint.failing_since or now, now)
            endpoint.save(update_fields=["retry_at", "failing_since"])


def find_due(*, busy: Sequence[UUID] = ()) -> dict[UUID, list[WebhookDelivery]]:
    """Returns the deliveries to attempt now, by endpoint. Two queries.

    Args: busy: the endpoints to leave out.
    """
    parameters: dict[str, Any] = {"now": timezone.now(), "limit": MAX_IN_FLIGHT, "busy": [str(each) for each in busy]}
    with connection.cursor() as cursor:
        cursor.execute(_DUE, parameters)
        due = [found for (found,) in cursor.fetchall()]
    batches: dict[UUID, list[WebhookDelivery]] = defaultdict(list)
    if due:
        for delivery in WebhookDelivery.objects.filter(pk__in=due).select_related("endpoint", "event"):
            batches[delivery.endpoint_id].append(delivery)
    return batches


def record_attempts(*, endpoint_id: UUID, attempts: Sequence[Attempt]) -> None:
    """Records the answers of one endpoint, and how it fares.

    Locks: WebhookEndpoint, then its deliveries. Transaction: owns.
    """
    by_id = {each.delivery_id: each for each in attempts}
    with transaction.atomic():
        endpoint = lock_webhook_endpoint(endpoint_id=endpoint_id)
        # A delivery that is no longer pending was given up by staff meanwhile.
        pending = WebhookDelivery.objects.select_for_update(no_key=True).filter(pk__in=by_id, status="pending")
        deliveries = list(pending.order_by("pk"))
        for delivery in deliveries:
            _record(delivery, by_id[delivery.pk])
        WebhookDelivery.objects.bulk_update(
            deliveries, ["status", "attempts", "next_attempt_at", "log", "delivered_at"]
        )
        if endpoint.status == WebhookEndpoint.Status.ACTIVE:
            _record_health(endpoint, [each.answer for each in attempts])


def _record(delivery: WebhookDelivery, attempt: Attempt) -> None:
    answer = attempt.answer
    _SENT.labels("accepted" if answer.is_accepted else "failed").inc()
    delivery.attempts += 1
    entry = {
        "at": utc_text(attempt.at),
        "status": answer.status,
        "error": answer.error,
        "milliseconds": answer.milliseconds,
    }
    delivery.log = [*delivery.log, entry][-MAX_LOG:]
    if answer.is_accepted:
        delivery.status, delivery.delivered_at = WebhookDelivery.Status.DELIVERED, attempt.at
    elif delivery.attempts > len(RETRY_SECONDS):
        delivery.status = WebhookDelivery.Status.FAILED
    else:
        delivery.next_attempt_at = timezone.now() + timedelta(seconds=RETRY_SECONDS[delivery.attempts - 1])


def _record_health(endpoint: WebhookEndpoint, answers: Sequence[Answer]) -> None:
    """Counts the rounds in which an active endpoint accepted nothing, and pauses a dead one. Transaction: joins."""
    now = timezone.now()
    if any(answer.is_accepted for answer in answers):
        if endpoint.failures:
            endpoint.failures, endpoint.failing_since, endpoint.retry_at = 0, None, None
            endpoint.save(update_fields=["failures", "failing_since", "retry_at"])
        return
    since = endpoint.failing_since or now
    why = ""
    if any(answer.is_gone for answer in answers):
        why = "it answered 410: it wants no more requests"
    elif now - since >= timedelta(hours=settings.WEBHOOK_PAUSE_HOURS):
        why = f"it accepted nothing for {settings.WEBHOOK_PAUSE_HOURS} hours: {answers[-1].error}"
    if why:
        pause(endpoint, why=why[:200], by=system_actor(channel="worker", user_id="webhooks"))
        logger.warning("the webhook endpoint %s is paused: %s", endpoint.pk, why)
        return
    endpoint.failures += 1
    endpoint.failing_since = since
    endpoint.retry_at = now + timedelta(seconds=min(2 ** min(endpoint.failures, 10), MAX_ENDPOINT_PAUSE_SECONDS))
    endpoint.save(update_fields=["failures", "failing_since", "retry_at"])


async def send_message(endpoint: WebhookEndpoint, *, message_id: str, body: bytes) -> Answer:
    """Sends one signed message to an endpoint. A failure is an answer without a status."""
    now = timezone.now()
    try:
        with_secrets = signing_secrets(endpoint, now=now)
    except InvalidToken:
        error = "its secret cannot be decrypted: SECRET_KEY changed, and SECRET_KEY_FALLBACKS lacks the old one"
        return Answer(status=None, error=error, milliseconds=0)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Qasima/{settings.VERSION}",
        **sign(message_id=message_id, body=body, at=now, with_secrets=with_secrets),
    }
    return await post(endpoint.url, headers=headers, body=body)


async def _send_all(deliveries: Sequence[WebhookDelivery]) -> list[Attempt]:
    return list(await asyncio.gather(*(_send(each) for each in deliveries)))


async def _send(delivery: WebhookDelivery) -> Attempt:
    at = timezone.now()
    event = delivery.event
    try:
        answer = await send_message(delivery.endpoint, message_id=str(event.id), body=event.as_message())
    except Exception as error:
        # A bug must not hold up the other endpoints.
        logger.exception("a webhook could not be sent")
        answer = Answer(status=None, error=type(error).__name__, milliseconds=0)
    return Attempt(delivery_id=delivery.pk, at=at, answer=answer)


async def _wait(tasks: Sequence["asyncio.Task[list[Attempt]]"], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(seconds)
