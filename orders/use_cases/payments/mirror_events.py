"""Mirrors what the events of one customer are about, and reads an object once for all events about it.

A payment causes many events about few objects. The waiting events are listed before the first object is read, so each
copy is at least as new as every event of the list. It therefore serves them all, and no clock decides that. An event
that is committed after the list was read is not in it, and has a job of its own.

An event that fails again and again is set aside, as a break for staff. A silent Stripe, a key that it refuses, and
too many calls are no failure of the event.
"""

import logging
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing.jobs import enqueue_once
from orders.models import Break, StripeEvent
from orders.models.payment import MIRROR_KEY
from orders.stripe.mirror import KINDS, mirror_event
from orders.stripe.payloads import read_event_object
from orders.stripe.replay import NoAnswer
from orders.use_cases.reconciliation.record_break import record_break

# An event that failed this often is set aside: it becomes a break, and no job or sweeper tries it again.
MAX_MIRROR_ATTEMPTS = 80
MIRROR_DELAY = timedelta(seconds=2)

logger = logging.getLogger(__name__)


def enqueue_mirroring(*, event_id: str, key: str) -> None:
    """Adds a job for all events of a customer that are there when it runs. One payment causes 18, in about a second.

    Args: key: the event's MIRROR_KEY. Transaction: joins. Idempotency: one job of a customer waits at a time.
    """
    enqueue_once("mirror_stripe_event", key=f"mirror:{key}", delay=MIRROR_DELAY, event_id=event_id)


def mirror_events(*, event_id: str, secret_key: str) -> None:
    """Mirrors the waiting events of this event's customer.

    Raises: NoAnswer at once; any other failure after all events were tried, unless all that failed are set aside. A
    retry is safe and mirrors those that are left.
    Transaction: owns several; none is open during a call to Stripe.
    """
    events = StripeEvent.objects.annotate(mirror_key=MIRROR_KEY)
    key = events.values_list("mirror_key", flat=True).get(id=event_id)
    left = events.filter(mirror_key=key, mirrored_at__isnull=True, mirror_attempts__lt=MAX_MIRROR_ATTEMPTS)
    waiting = sorted(left, key=_reach, reverse=True)
    copied: set[str] = set()
    failures: list[Exception] = []
    for event in waiting:
        try:
            copied.update(
                mirror_event(event.payload, secret_key=secret_key, api_base=settings.STRIPE_API_BASE, copied=copied)
            )
        except NoAnswer:
            raise
        except Exception as error:
            logger.exception("event %s is not mirrored", event.id)
            if not _set_aside(event, error):
                failures.append(error)
        else:
            StripeEvent.objects.filter(id=event.id).update(mirrored_at=timezone.now())
    if failures:
        raise failures[0]


def _set_aside(event: StripeEvent, error: Exception) -> bool:
    """Counts a failed attempt. Returns whether the event is set aside. Transaction: owns."""
    with transaction.atomic():
        StripeEvent.objects.filter(id=event.id).update(mirror_attempts=F("mirror_attempts") + 1)
        event.refresh_from_db(fields=["mirror_attempts"])
        if event.mirror_attempts < MAX_MIRROR_ATTEMPTS:
            return False
        record_break(
            kind=Break.Kind.EVENT_NOT_MIRRORED,
            object_id=event.id,
            details={"type": event.type, "error": type(error).__name__, "attempts": str(event.mirror_attempts)},
        )
        return True


def _reach(event: StripeEvent) -> int:
    """Returns how far the references of an event's object lead: from a session to all objects of its payment."""
    with suppress(ValueError):
        return list(KINDS).index(str(read_event_object(event.payload).get("object")))
    return -1
