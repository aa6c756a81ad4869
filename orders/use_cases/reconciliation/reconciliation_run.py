"""The parts of a reconciliation share these: pages of objects, the time limit, repairs, and what is in flight.

Stripe is read first, and our side changes after that. A change that is in flight is no break. So an object is not
judged while Stripe has a recent event about it, whose webhook may still be on its way. Those events are listed after
the object was read. An object that cannot be compared does not stop the others.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any
from uuid import UUID

from billing.actor import Actor
from billing.models import Customer
from orders.models import Break
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.stripe.payloads import Object, read_event_object, read_order_id, read_reference, read_subscription_id
from orders.use_cases.reconciliation.close_break import close_resolved_breaks

logger = logging.getLogger(__name__)

# Stripe delivers an event within seconds, and the worker settles it within minutes. Older changes are not in flight.
MAX_IN_FLIGHT = timedelta(minutes=15)
# The types of event that change what is compared. Stripe takes at most 20 in one list.
_EVENT_TYPES = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
]

# If Stripe knows none of our objects, and not these first ones either, the keys are another account's.
OTHER_ACCOUNT_AT = 10
ACCOUNT, UNKNOWN = "account", "unknown"

Part = Callable[["ReconciliationRun"], Iterator["Finding"]]


class OutOfTime(Exception):
    """The run has used up its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One break: Stripe's object, ours, and whether the difference was repaired.

    A finding that `needs_staff` cannot be repaired by a run. Once staff have closed its break, the break stays closed
    while the details are the same.
    """

    kind: Break.Kind
    object_id: str
    order_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)
    repaired: bool = False
    needs_staff: bool = False

    def was_closed_by_staff(self) -> bool:
        """Returns whether staff have closed the same break before, and a run can do nothing about it."""
        closed = Break.objects.filter(kind=self.kind, object_id=self.object_id, closed_at__isnull=False)
        return self.needs_staff and closed.filter(details__in=[{}, self.details]).exists()


@dataclass(slots=True, kw_only=True)
class ReconciliationRun:
    """One part of one run, which compares what was created since `start`.

    `repaired` holds the orders that the run has repaired; their jobs are still in flight. `failed` holds the ids of
    objects that could not be compared.
    """

    start: datetime
    now: datetime
    repair: bool
    by: Actor
    deadline: float
    repaired: set[UUID] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    _in_flight: frozenset[str] | None = None
    _open_breaks: frozenset[str] | None = None

    @property
    def in_flight_since(self) -> datetime:
        """Changes from then on may not have arrived everywhere yet."""
        return self.now - MAX_IN_FLIGHT

    def list_pages(
        self, resource: Resource, *, since: datetime | None = None, **filters: Any
    ) -> Iterator[list[Object]]:
        """Lists pages of Stripe's objects. Raises: OutOfTime, and what gateway.list_pages raises."""
        for page in gateway.list_pages(resource, since=since, **filters):
            self.forget_recent_events()
            yield page
            self.check_time()

    def forget_recent_events(self) -> None:
        """Called at each read of Stripe: the recent events must be listed again after it."""
        self._in_flight = None

    def compare_each(self, things: Iterable[Any], compare: Callable[[Any], Iterator[Finding]]) -> Iterator[Finding]:
        """Compares each thing. A failure stops that comparison only, unless Stripe does not answer.

        Raises: OutOfTime, gateway.Unanswered, gateway.NotConfigured.
        """
        for thing in things:
            self.check_time()
            try:
                yield from compare(thing)
            except (gateway.Unanswered, gateway.NotConfigured):
                raise
            except gateway.Refused as error:
                self._record_failure(thing, why=str(error))
            except Exception:
                logger.exception("a comparison failed")
                self._record_failure(thing, why="see the log before")

    def compare_unlisted(
        self, things: Iterable[Any], retrieve_and_compare: Callable[[Any], Iterator[Finding]], *, any_listed: bool
    ) -> Iterator[Finding]:
        """Compares our rows that no page of Stripe's contained, by retrieving the object of each.

        If Stripe knows none of them, the keys are another account's. That is one finding, not one for each row.

        Args: any_listed: whether the pages contained any of our objects.
        """
        findings = self.compare_each(things, retrieve_and_compare)
        first = [] if any_listed else list(islice(findings, OTHER_ACCOUNT_AT))
        if len(first) == OTHER_ACCOUNT_AT and all(each.details["stripe"] == UNKNOWN for each in first):
            yield Finding(
                kind=Break.Kind.OTHER_ACCOUNT,
                object_id=ACCOUNT,
                details={"unknown": [each.object_id for each in first], "and": "probably all others"},
            )
            return
        self.close_breaks(ACCOUNT, kinds=[Break.Kind.OTHER_ACCOUNT])
        yield from first
        yield from findings

    def _record_failure(self, thing: Any, *, why: str) -> None:
        identity = str(thing.get("id") if isinstance(thing, Mapping) else thing.pk)
        logger.error("could not compare %s: %s", identity, why)
        self.failed.append(identity)

    def check_time(self) -> None:
        """Raises: OutOfTime."""
        if monotonic() > self.deadline:
            raise OutOfTime

    def is_in_flight(self, *references: Any) -> bool:
        """Returns whether Stripe has a recent event about one of these, or this run has repaired it."""
        if not self.repaired.isdisjoint(references):
            return True
        if self._in_flight is None:
            pages = gateway.list_pages(Resource.EVENTS, since=self.in_flight_since, types=_EVENT_TYPES)
            self._in_flight = frozenset(name for page in pages for event in page for name in _read_references(event))
        return not self._in_flight.isdisjoint(str(each) for each in references if each)

    def repair_with(self, action: Callable[[], bool]) -> bool:
        """Runs a repair, if the run repairs at all. A repair that fails leaves the break open."""
        if not self.repair:
            return False
        try:
            return action()
        except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
            # The gateway's errors hold no text of Stripe's, which may quote a key or a card.
            logger.error("a repair failed; the break stays open: %s", error)
            return False
        except Exception:
            logger.exception("a repair failed; the break stays open")
            return False

    def close_breaks(self, *object_ids: str, kinds: Iterable[Break.Kind]) -> None:
        """Closes the breaks that an earlier run recorded for these objects, which agree now."""
        if self._open_breaks is None:
            self._open_breaks = frozenset(Break.objects.filter(closed_at=None).values_list("object_id", flat=True))
        if not self._open_breaks.isdisjoint(object_ids):
            close_resolved_breaks(
                kinds=kinds, object_ids=object_ids, why="in order at a later reconciliation", by=self.by
            )


def find_our_customers(page: Iterable[Object]) -> frozenset[str]:
    """Finds which of the page's customers are ours."""
    named = {read_reference(document.get("customer")) for document in page} - {""}
    ours = Customer.objects.filter(stripe_customer_id__in=named)
    return frozenset(ours.values_list("stripe_customer_id", flat=True))


def _read_references(event: Object) -> Iterator[str]:
    document = read_event_object(event)
    yield str(document.get("id"))
    yield str(read_order_id(document))
    yield read_subscription_id(document)
    for name in ("charge", "invoice", "payment_intent", "subscription"):
        yield read_reference(document.get(name))
