"""Mirrors what the events of one customer are about, and reads an object once for all events about it.

A payment causes many events about few objects. The waiting events are listed before the first object is read, so each
copy is at least as new as every event of the list. It therefore serves them all, and no clock decides that. An event
that is committed after the list was read is not in it, and has a job of its own.
"""

import logging
from contextlib import suppress

from django.conf import settings
from django.utils import timezone

from orders.models import StripeEvent
from orders.models.payment import MIRROR_KEY
from orders.stripe.mirror import KINDS, mirror_event
from orders.stripe.payloads import read_event_object
from orders.stripe.replay import NoAnswer

logger = logging.getLogger(__name__)


def mirror_events(*, event_id: str, secret_key: str) -> None:
    """Mirrors the waiting events of this event's customer.

    Raises: NoAnswer at once; any other failure after all events were tried. A retry is safe and mirrors those that
    are left.
    Transaction: owns several; none is open during a call to Stripe.
    """
    events = StripeEvent.objects.annotate(mirror_key=MIRROR_KEY)
    key = events.values_list("mirror_key", flat=True).get(id=event_id)
    waiting = sorted(events.filter(mirror_key=key, mirrored_at__isnull=True), key=_reach, reverse=True)
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
            failures.append(error)
        else:
            StripeEvent.objects.filter(id=event.id).update(mirrored_at=timezone.now())
    if failures:
        raise failures[0]


def _reach(event: StripeEvent) -> int:
    """Returns how far the references of an event's object lead: from a session to all objects of its payment."""
    with suppress(ValueError):
        return list(KINDS).index(str(read_event_object(event.payload).get("object")))
    return -1
