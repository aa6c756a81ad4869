"""Finds Stripe's events that were set aside because they could not be settled. Repairing tries them again."""

from collections.abc import Iterator
from functools import partial

from orders.models import Break, StripeEvent
from orders.use_cases.payments.settle_event import MAX_ATTEMPTS, settle_event
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind


def reconcile_events(run: ReconciliationRun) -> Iterator[Finding]:
    """Finds each event that is set aside, however old, and closes the breaks of those that are settled."""
    waiting = StripeEvent.objects.filter(settled_at=None, attempts__gte=MAX_ATTEMPTS)
    recorded = Break.objects.filter(kind=Kind.EVENT_NOT_SETTLED, closed_at=None)
    settled = StripeEvent.objects.filter(id__in=recorded.values("object_id"), settled_at__isnull=False)
    run.close_breaks(*settled.values_list("id", flat=True), kinds=[Kind.EVENT_NOT_SETTLED])
    yield from run.compare_each(waiting.order_by("received_at").iterator(), partial(_settle, run))


def _settle(run: ReconciliationRun, event: StripeEvent) -> Iterator[Finding]:
    yield Finding(
        kind=Kind.EVENT_NOT_SETTLED,
        object_id=event.id,
        details={"type": event.type},
        repaired=run.repair_with(lambda: bool(settle_event(event_id=event.id))),
    )
