"""How a reconciliation looks at Stripe: page by page, within its time, and with patience.

Stripe is read first, and our side changes meanwhile; what is on its way is no break. So nothing is judged that
Stripe itself told an event about in the last minutes, which is asked for after the object was read: its webhook may
still be coming. One object that cannot be compared holds up no other.
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
from orders.stripe.gateway import Listed, reference_id
from orders.use_cases.reconciliation.close_break import close_resolved
from orders.use_cases.subscriptions.follow_subscription import order_id_in, subscription_id_of

logger = logging.getLogger(__name__)

# What changed later than this is on its way: Stripe delivers within seconds, the worker settles within minutes.
PATIENCE = timedelta(minutes=15)
# At most 20, as Stripe takes them.
_TELLING = [
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

# So many of ours that Stripe does not know, and none that it does, are no accident.
MANY = 10
ACCOUNT, UNKNOWN = "account", "unknown"

Object = Mapping[str, Any]
Part = Callable[["ReconciliationRun"], Iterator["Finding"]]


class OutOfTime(Exception):
    """The time that the run may take is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One break: what Stripe's object is, what ours is, and whether it was repaired.

    One that is `for_people` alone stays closed once they have dealt with it, while its details are the same.
    """

    kind: Break.Kind
    object_id: str
    order_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)
    repaired: bool = False
    for_people: bool = False

    def is_dealt_with(self) -> bool:
        """Whether staff have closed the same before, and nothing else can be done about it."""
        closed = Break.objects.filter(kind=self.kind, object_id=self.object_id, closed_at__isnull=False)
        return self.for_people and closed.filter(details__in=[{}, self.details]).exists()


@dataclass(slots=True, kw_only=True)
class ReconciliationRun:
    """One run: what was made since `start` is compared.

    `repaired` are the orders that the run has repaired, whose jobs are still to be done; `failed` are the ids of what
    could not be compared.
    """

    start: datetime
    now: datetime
    repair: bool
    by: Actor
    deadline: float
    repaired: set[UUID] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    _moving: frozenset[str] | None = None
    _told: frozenset[str] | None = None

    @property
    def settled_before(self) -> datetime:
        """What happened here later than this may not be known everywhere yet."""
        return self.now - PATIENCE

    def pages(self, of: Listed, *, since: datetime | None = None, **asked: Any) -> Iterator[list[Object]]:
        """Stripe's pages. Raises: OutOfTime, and what the gateway raises."""
        for page in gateway.pages(of, since=since, **asked):
            self.reads()
            yield page
            self.check_time()

    def unseen(
        self, things: Iterable[Any], ask: Callable[[Any], Iterator[Finding]], *, sees_ours: bool
    ) -> Iterator[Finding]:
        """What is found of ours that no page had, by asking for each.

        Where Stripe knows nothing of ours at all, the keys are another account's: that is told, once, and not for
        each.
        """
        found = self.each(things, ask)
        first = [] if sees_ours else list(islice(found, MANY))
        if len(first) == MANY and all(each.details["stripe"] == UNKNOWN for each in first):
            yield Finding(
                kind=Break.Kind.OTHER_ACCOUNT,
                object_id=ACCOUNT,
                details={"unknown": [each.object_id for each in first], "and": "probably all others"},
            )
            return
        self.agrees(ACCOUNT, kinds=[Break.Kind.OTHER_ACCOUNT])
        yield from first
        yield from found

    def reads(self) -> None:
        """Something is read of Stripe: what moved must be asked for after it."""
        self._moving = None

    def each(self, things: Iterable[Any], compare: Callable[[Any], Iterator[Finding]]) -> Iterator[Finding]:
        """What is found of each, where one fails alone; a Stripe that does not answer ends the part."""
        for thing in things:
            self.check_time()
            try:
                yield from compare(thing)
            except (gateway.Unanswered, gateway.NotConfigured):
                raise
            except gateway.Refused as error:
                self._fails(thing, why=str(error))
            except Exception:
                logger.exception("a comparison failed")
                self._fails(thing, why="see the log before")

    def _fails(self, thing: Any, *, why: str) -> None:
        identity = str(thing.get("id") if isinstance(thing, Mapping) else thing.pk)
        logger.error("could not compare %s: %s", identity, why)
        self.failed.append(identity)

    def check_time(self) -> None:
        """Raises: OutOfTime."""
        if monotonic() > self.deadline:
            raise OutOfTime

    def is_moving(self, *references: Any) -> bool:
        """Whether Stripe told of one of these in the last minutes, or this run has repaired it."""
        if not self.repaired.isdisjoint(references):
            return True
        if self._moving is None:
            told = gateway.pages(Listed.EVENTS, since=self.settled_before, types=_TELLING)
            self._moving = frozenset(name for page in told for event in page for name in _named_by(event))
        return not self._moving.isdisjoint(str(each) for each in references if each)

    def repairs(self, action: Callable[[], bool]) -> bool:
        """Does a repair where repairs are wanted; one that fails leaves the break open."""
        if not self.repair:
            return False
        try:
            return action()
        except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
            # Not its text: it may quote a key or a card.
            logger.error("a repair failed; the break stays open: %s", error)
            return False
        except Exception:
            logger.exception("a repair failed; the break stays open")
            return False

    def agrees(self, *object_ids: str, kinds: Iterable[Break.Kind]) -> None:
        """Takes back what an earlier run said of these."""
        if self._told is None:
            self._told = frozenset(Break.objects.filter(closed_at=None).values_list("object_id", flat=True))
        if not self._told.isdisjoint(object_ids):
            close_resolved(kinds=kinds, object_ids=object_ids, why="in order at a later reconciliation", by=self.by)


def known_customers(page: Iterable[Object]) -> frozenset[str]:
    """Those of a page's customers that are ours."""
    told = {reference_id(each.get("customer")) for each in page} - {""}
    known = Customer.objects.filter(stripe_customer_id__in=told)
    return frozenset(known.values_list("stripe_customer_id", flat=True))


def carried_order(told: Object) -> UUID | None:
    """The order that we had an object carry."""
    return order_id_in(told.get("metadata")) or order_id_in({"order_id": told.get("client_reference_id")})


def _named_by(event: Object) -> Iterator[str]:
    told = event["data"]["object"]
    yield str(told.get("id"))
    yield str(carried_order(told))
    yield subscription_id_of(told)
    for name in ("charge", "invoice", "payment_intent", "subscription"):
        yield reference_id(told.get(name))
