"""Copies what an event is about from Stripe into dj-stripe's tables, for staff to read.

An event says that something changed; what it is now is asked of Stripe. So it does not matter in which order events
come, or how often. What is copied is the event's object and everything about the same payment that it leads to:
customer, checkout session, subscription, invoice, payment intent, charge with its refunds, dispute.

Two mirrorings at once must not let the older copy win. Each notes when it began to read; one that finds an object
stored after that cannot tell which copy is newer, and reads anew. Each store that overtakes one is the end of
another, so as many attempts as there are mirrorings at once are enough. Storing is one at a time, since dj-stripe
inserts what it meets in the order it meets it, and two such transactions would deadlock.

Nothing here is asked about money: orders, ledger and subscriptions follow the inbox (see settle_event), and none of
their tables is written.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import stripe
from django.db import connection, transaction
from django.db.models import DateTimeField, Func, OuterRef, Subquery
from djstripe import models as mirrored
from djstripe._stripe_errors import object_is_absent
from djstripe.settings import djstripe_settings

from billing.models import Customer
from orders.stripe.replay import NO_KEY, Answers, NotRead, Unread

# One event leads to about ten objects; a customer's whole history must not be read for it.
MAX_OBJECTS = 60
ATTEMPTS = 10
_STORING = "SELECT pg_advisory_xact_lock(hashtextextended('orders.mirror_event', 0))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object: dj-stripe's model, what is expanded in its answer, and where that names other objects."""

    model: Any
    expand: tuple[str, ...] = ()
    leads_to: Mapping[str, str]


# In the order in which they are stored: what others refer to comes first. `*` stands for each item of a list.
KINDS: Mapping[str, Kind] = {
    "customer": Kind(model=mirrored.Customer, leads_to={}),
    "payment_intent": Kind(
        model=mirrored.PaymentIntent, leads_to={"customer": "customer", "latest_charge": "charge"}
    ),
    "charge": Kind(
        model=mirrored.Charge,
        expand=("balance_transaction", "refunds"),
        leads_to={"customer": "customer", "payment_intent": "payment_intent", "refunds.data.*": "refund"},
    ),
    "subscription": Kind(model=mirrored.Subscription, leads_to={"customer": "customer", "latest_invoice": "invoice"}),
    "invoice": Kind(
        model=mirrored.Invoice,
        expand=("discounts", "lines.data.discounts", "payments"),
        leads_to={
            "customer": "customer",
            "parent.subscription_details.subscription": "subscription",
            "payments.data.*.payment.payment_intent": "payment_intent",
        },
    ),
    "checkout.session": Kind(
        model=mirrored.Session,
        expand=("line_items",),
        leads_to={
            "customer": "customer",
            "invoice": "invoice",
            "payment_intent": "payment_intent",
            "subscription": "subscription",
        },
    ),
    "refund": Kind(model=mirrored.Refund, leads_to={"charge": "charge", "payment_intent": "payment_intent"}),
    "dispute": Kind(model=mirrored.Dispute, leads_to={"charge": "charge", "payment_intent": "payment_intent"}),
}

Reference = tuple[str, str]
"""Kind and id."""


class _Overtaken(Exception):
    """Another mirroring stored one of the objects meanwhile."""


def mirror_event(payload: Mapping[str, Any], *, secret_key: str, api_base: str) -> tuple[str, ...]:
    """Stores the event, and the objects it leads to as Stripe has them now.

    Returns: the ids of the objects stored; none where the event is about something else, or Stripe knows it no more.
    Raises: NotRead; then only the event itself was stored, and trying again is safe.
    Locks: an advisory lock while storing. Transaction: owns several; none is open while Stripe is asked.
    Idempotency: the same event again brings the same objects up to date again.
    """
    if connection.in_atomic_block:
        raise RuntimeError("Stripe may not be called in a transaction")
    _store_event(payload)
    told = payload["data"]["object"]
    start = (str(told.get("object")), str(told.get("id") or ""))
    if start[0] not in KINDS or not start[1]:
        return ()
    if not secret_key:
        raise NotRead("no secret key is set")
    for _ in range(ATTEMPTS):
        with suppress(_Overtaken), Answers(secret_key=secret_key, api_base=api_base) as answers:
            return _mirror(start, answers)
    raise NotRead("others kept storing the same objects")


def _mirror(start: Reference, answers: Answers) -> tuple[str, ...]:
    """Raises: NotRead, _Overtaken."""
    began = _database_time()
    found = _collect(start, answers)
    while True:
        try:
            with answers.replayed(), transaction.atomic():
                return _store(found, began)
        except Unread as missing:
            answers.read(missing.path)


def _collect(start: Reference, answers: Answers) -> list[Reference]:
    """The objects that belong together, in the order in which they are stored; those that are gone are left out."""
    seen, found = {start}, []
    waiting = [start]
    while waiting:
        each = waiting.pop(0)
        answer = _answer(each, answers)
        if answer is None:
            continue
        found.append(each)
        for path, other in KINDS[each[0]].leads_to.items():
            for value in _values(answer, path.split(".")):
                reference = (other, value if isinstance(value, str) else str(value["id"]))
                if reference not in seen and len(seen) < MAX_OBJECTS:
                    seen.add(reference)
                    waiting.append(reference)
    order = list(KINDS)
    return sorted(found, key=lambda reference: order.index(reference[0]))


def _answer(reference: Reference, answers: Answers) -> Any:
    """The object as Stripe has it; None where there is none."""
    while True:
        try:
            with answers.replayed():
                return _retrieve(reference)
        except Unread as missing:
            answers.read(missing.path)
        except stripe.InvalidRequestError as error:
            if object_is_absent(error):
                return None
            raise NotRead(f"{type(error).__name__} {error.code or error.http_status}") from None


def _retrieve(reference: Reference) -> Any:
    kind = KINDS[reference[0]]
    return kind.model.stripe_class.retrieve(
        reference[1],
        api_key=NO_KEY,
        stripe_version=djstripe_settings.STRIPE_API_VERSION,
        expand=list(kind.expand),
    )


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    """What stands at a path of the object, if anything does."""
    if not path:
        if value:
            yield value
        return
    name, *rest = path
    if name == "*":
        for item in value or ():
            yield from _values(item, rest)
    elif value and name in value:
        yield from _values(value[name], rest)


def _store_event(payload: Mapping[str, Any]) -> None:
    """Events never change: the first copy stays."""
    with transaction.atomic():
        if not mirrored.Event.objects.filter(id=payload["id"]).exists():
            mirrored.Event.sync_from_stripe_data(dict(payload), api_key=NO_KEY)  # type: ignore[no-untyped-call]


def _store(found: list[Reference], began: datetime) -> tuple[str, ...]:
    """Raises: Unread, _Overtaken."""
    with connection.cursor() as cursor:
        # Races with every other mirroring; see the module's text.
        cursor.execute(_STORING)
    _refuse_overtaken(found, began)
    for reference in found:
        model = KINDS[reference[0]].model
        model.sync_from_stripe_data(_as_expected(_retrieve(reference), reference[0]), api_key=NO_KEY)
        # By the database's clock, which is the same for every worker.
        model.objects.filter(id=reference[1]).update(djstripe_updated=_ClockTimestamp())
    _link_customers([object_id for kind, object_id in found if kind == "customer"])
    return tuple(object_id for _, object_id in found)


def _refuse_overtaken(found: list[Reference], began: datetime) -> None:
    """Raises: _Overtaken, where an object was stored after this mirroring began to read."""
    for kind, object_id in found:
        if KINDS[kind].model.objects.filter(id=object_id, djstripe_updated__gte=began).exists():
            raise _Overtaken


def _as_expected(data: Any, kind: str) -> Any:
    """dj-stripe 2.11 looks for two references where Stripe's API had them until 2025."""
    if kind == "invoice" and "subscription" not in data:
        data["subscription"] = next(_values(data, ["parent", "subscription_details", "subscription"]), None)
    if kind == "customer" and data.get("discount") and not data["discount"].get("coupon"):
        data["discount"]["coupon"] = next(_values(data, ["discount", "source", "coupon"]), None)
    return data


def _link_customers(customer_ids: list[str]) -> None:
    """To our own customers, by what we ourselves noted: metadata can be edited by whoever has the dashboard."""
    ours = Customer.objects.filter(stripe_customer_id=OuterRef("id")).values("id")
    mirrored.Customer.objects.filter(id__in=customer_ids).update(subscriber=Subquery(ours))


class _ClockTimestamp(Func):
    function = "clock_timestamp"
    output_field = DateTimeField()


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]
