"""Finds Stripe's events that were set aside: not settled, or not mirrored. Repairing tries them again."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db import transaction

from orders.models import Break, StripeEvent
from orders.models.payment import MIRROR_KEY
from orders.use_cases.payments.mirror_events import MAX_MIRROR_ATTEMPTS, enqueue_mirroring
from orders.use_cases.payments.settle_event import MAX_ATTEMPTS, settle_event
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind


def reconcile_events(run: ReconciliationRun) -> Iterator[Finding]:
    """Finds each event that is set aside, however old, and closes the breaks of those that were done after all."""
    waiting = StripeEvent.objects.filter(settled_at=None, attempts__gte=MAX_ATTEMPTS)
    recorded = Break.objects.filter(kind=Kind.EVENT_NOT_SETTLED, closed_at=None)
    settled = StripeEvent.objects.filter(id__in=recorded.values("object_id"), settled_at__isnull=False)
    run.close_breaks(*settled.values_list("id", flat=True), kinds=[Kind.EVENT_NOT_SETTLED])
    yield from run.compare_each(waiting.order_by("received_at").iterator(), partial(_settle, run))
    unfinished = Break.objects.filter(kind=Kind.EVENT_NOT_MIRRORED, closed_at=None)
    mirrored = StripeEvent.objects.filter(id__in=unfinished.values("object_id"), mirrored_at__isnull=False)
    run.close_breaks(*mirrored.values_list("id", flat=True), kinds=[Kind.EVENT_NOT_MIRRORED])
    unmirrored = StripeEvent.objects.filter(mirrored_at=None, mirror_attempts__gte=MAX_MIRROR_ATTEMPTS)
    with_key = unmirrored.annotate(mirror_key=MIRROR_KEY).defer("payload").order_by("received_at")
    yield from run.compare_each(with_key.iterator(), partial(_mirror, run))


def _settle(run: ReconciliationRun, event: StripeEvent) -> Iterator[Finding]:
    yield Finding(
        kind=Kind.EVENT_NOT_SETTLED,
        object_id=event.id,
        details={"type": event.type},
        repaired=run.repair_with(lambda: bool(settle_event(event_id=event.id))),
    )


def _mirror(run: ReconciliationRun, event: Any) -> Iterator[Finding]:
    yield Finding(
        kind=Kind.EVENT_NOT_MIRRORED,
        object_id=event.id,
        details={"type": event.type},
        repaired=run.repair_with(lambda: _mirror_again(event)),
    )


def _mirror_again(event: Any) -> bool:
    """Lets a job try the event again, as often as a new one. Transaction: owns."""
    with transaction.atomic():
        StripeEvent.objects.filter(id=event.id).update(mirror_attempts=0)
        enqueue_mirroring(event_id=event.id, key=event.mirror_key)
    return True
