"""Delivers recorded events to the broker: each at least once, and in the order of each organization.

An event is published as a message with the event's id, by which the broker and every consumer recognize a second
delivery. While the broker is away, events wait in their table, and nothing else waits for them.
"""

import logging
import time

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone

from orders.broker import Broker, BrokerUnavailable, Message
from orders.models import OutboxEvent

BATCH_SIZE = 500
# How long an idle round waits before it looks for new events.
POLL_SECONDS = 1
# How long a round waits after the broker has failed; each failure in a row doubles it, up to the limit.
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1, 30
MAX_REFUSAL_LENGTH = 200

logger = logging.getLogger(__name__)


def deliver_events(*, seconds: float) -> None:
    """Delivers events for this long, those that are recorded meanwhile too.

    Call it from one process at a time: two would not keep the order. A failure of the broker ends nothing, and is
    logged once. Transaction: owns, one for each batch. Idempotency: by the events' ids.
    """
    ends, pause = time.monotonic() + seconds, MIN_PAUSE_SECONDS
    while (left := ends - time.monotonic()) > 0:
        try:
            with Broker(settings.EVENTS_URL) as broker:
                while ends > time.monotonic():
                    found, pause = deliver_batch(broker), MIN_PAUSE_SECONDS
                    if not found:
                        broker.wait(min(POLL_SECONDS, max(0.0, ends - time.monotonic())))
        except BrokerUnavailable as error:
            if pause == MIN_PAUSE_SECONDS:
                logger.warning("the broker is unavailable, events wait: %s", error)
            time.sleep(min(pause, left))
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


def deliver_batch(broker: Broker) -> int:
    """Delivers the oldest events that wait, and returns how many there were.

    Raises: BrokerUnavailable; what was stored before is recorded.
    """
    events = list(events_to_deliver()[:BATCH_SIZE])
    for turn in _in_turns(events):
        refused = broker.publish([Message(id=each.id, topic=each.topic, body=each.as_message()) for each in turn])
        now = timezone.now()
        for event in turn:
            if event.id in refused:
                event.refused_at, event.refusal = now, refused[event.id][:MAX_REFUSAL_LENGTH]
            else:
                event.delivered_at = now
        OutboxEvent.objects.filter(id__in=[each.id for each in turn if each.delivered_at]).update(delivered_at=now)
        OutboxEvent.objects.bulk_update([each for each in turn if each.refused_at], ["refused_at", "refusal"])
    return len(events)


def events_to_deliver() -> QuerySet[OutboxEvent, OutboxEvent]:
    """Returns the events that wait for delivery, in its order."""
    waiting = OutboxEvent.objects.filter(delivered_at=None, refused_at=None)
    return waiting.order_by(F("position").asc(nulls_first=True), "id")


def _in_turns(events: list[OutboxEvent]) -> list[list[OutboxEvent]]:
    """Divides events into turns that have one event of an organization at most, the oldest first.

    The messages of a turn are published at once, so none of them may depend on another.
    """
    turns: list[list[OutboxEvent]] = []
    count: dict[object, int] = {}
    for event in events:
        subject = event.tenant_id or event.topic
        turn = count.get(subject, 0)
        count[subject] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(event)
    return turns
