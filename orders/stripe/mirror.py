"""Copies the objects that an event is about from Stripe into dj-stripe's tables, for staff to read.

An event says that an object changed. The object is then read from Stripe as it is now, so events may come in any
order and more than once. The copy includes the event's object and what it refers to of the same payment: customer,
checkout session, subscription, invoice, payment intent, charge with its refunds, dispute.

Events are mirrored in parallel, and an older copy must not overwrite a newer one. Before a run reads an object, it
notes when that was last stored. If the object was stored since, it cannot tell which copy is newer, and reads again.
Only whether the two times are equal matters, so the database's clock may jump. Each such store completes another run,
so as many attempts as there are parallel runs are enough. Storing is serialized by an advisory lock: dj-stripe
inserts objects in the order in which it meets them, and two such transactions would deadlock.

No decision about money depends on these copies. Orders, ledger and subscriptions follow the inbox (settle_event.py),
and this module writes to none of their tables.
"""

from collections.abc import Collection, Iterator, Mapping
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
from orders.stripe.payloads import read_event_object
from orders.stripe.replay import NO_KEY, MissingAnswer, NotRead, RecordedAnswers

# One event refers to about ten objects. The limit keeps a customer's whole history from being read for it.
MAX_OBJECTS = 60
MAX_ATTEMPTS = 10
_LOCK_STORING = "SELECT pg_advisory_xact_lock(hashtextextended('orders.mirror_event', 0))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object: dj-stripe's model, the fields that Stripe expands, and the paths to objects it refers to."""

    model: Any
    expand: tuple[str, ...] = ()
    references: Mapping[str, str]


# In the order of storing: an object is stored after those that it refers to. `*` stands for each item of a list.
KINDS: Mapping[str, Kind] = {
    "customer": Kind(model=mirrored.Customer, references={}),
    "payment_intent": Kind(
        model=mirrored.PaymentIntent, references={"customer": "customer", "latest_charge": "charge"}
    ),
    "charge": Kind(
        model=mirrored.Charge,
        expand=("balance_transaction", "refunds"),
        references={"customer": "customer", "payment_intent": "payment_intent", "refunds.data.*": "refund"},
    ),
    "subscription": Kind(
        model=mirrored.Subscription, references={"customer": "customer", "latest_invoice": "invoice"}
    ),
    "invoice": Kind(
        model=mirrored.Invoice,
        expand=("discounts", "lines.data.discounts", "payments"),
        references={
            "customer": "customer",
            "parent.subscription_details.subscription": "subscription",
            "payments.data.*.payment.payment_intent": "payment_intent",
        },
    ),
    "checkout.session": Kind(
        model=mirrored.Session,
        expand=("line_items",),
        references={
            "customer": "customer",
            "invoice": "invoice",
            "payment_intent": "payment_intent",
            "subscription": "subscription",
        },
    ),
    "refund": Kind(model=mirrored.Refund, references={"charge": "charge", "payment_intent": "payment_intent"}),
    "dispute": Kind(model=mirrored.Dispute, references={"charge": "charge", "payment_intent": "payment_intent"}),
}

Reference = tuple[str, str]
"""Kind and id."""


class _StoredSince(Exception):
    """Another run stored one of the objects after this one began to read."""


def mirror_event(
    payload: Mapping[str, Any], *, secret_key: str, api_base: str, copied: Collection[str] = ()
) -> tuple[str, ...]:
    """Stores the event, and the objects that it refers to as Stripe has them now.

    Args: copied: the ids of objects that were read after the event was received. One about them needs no other read.
    Returns: the ids of the stored objects; empty where the event is about another kind, or Stripe has it no more.
    Raises: NotRead. Then only the event itself was stored, and a retry is safe.
    Locks: an advisory lock while storing. Transaction: owns several; none is open during a call to Stripe.
    Idempotency: a second run stores the objects as they are then.
    """
    if connection.in_atomic_block:
        raise RuntimeError("Stripe may not be called in a transaction")
    _store_event(payload)
    document = read_event_object(payload)
    start = (str(document.get("object")), str(document.get("id") or ""))
    if start[0] not in KINDS or not start[1] or start[1] in copied:
        return ()
    if not secret_key:
        raise NotRead("no secret key is set")
    for _ in range(MAX_ATTEMPTS):
        with suppress(_StoredSince), RecordedAnswers(secret_key=secret_key, api_base=api_base) as answers:
            return _mirror(start, answers)
    raise NotRead("other runs kept storing the same objects")


def _mirror(start: Reference, answers: RecordedAnswers) -> tuple[str, ...]:
    """Raises: NotRead, _StoredSince."""
    found = _collect(start, answers)
    while True:
        try:
            with answers.replayed(), transaction.atomic():
                return _store(found)
        except MissingAnswer as missing:
            answers.read(missing.path)


def _collect(start: Reference, answers: RecordedAnswers) -> dict[Reference, datetime | None]:
    """Collects the objects that belong together, in the order of storing, without those that Stripe has no more.

    Returns: for each, when it was last stored before it was read; None where it never was.
    """
    seen: set[Reference] = {start}
    found: dict[Reference, datetime | None] = {}
    waiting = [start]
    while waiting:
        each = waiting.pop(0)
        stored_at = _find_stored_at(each)
        answer = _retrieve_or_none(each, answers)
        if answer is None:
            continue
        found[each] = stored_at
        for path, other in KINDS[each[0]].references.items():
            for value in _find_values(answer, path.split(".")):
                reference = (other, value if isinstance(value, str) else str(value["id"]))
                if reference not in seen and len(seen) < MAX_OBJECTS:
                    seen.add(reference)
                    waiting.append(reference)
    order = list(KINDS)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0][0])))


def _retrieve_or_none(reference: Reference, answers: RecordedAnswers) -> Any:
    """Retrieves the object as Stripe has it; None where there is none."""
    while True:
        try:
            with answers.replayed():
                return _retrieve(reference)
        except MissingAnswer as missing:
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


def _find_values(value: Any, path: list[str]) -> Iterator[Any]:
    """Finds the values at a path of the object."""
    if not path:
        if value:
            yield value
        return
    name, *rest = path
    if name == "*":
        for item in value or ():
            yield from _find_values(item, rest)
    elif value and name in value:
        yield from _find_values(value[name], rest)


def _store_event(payload: Mapping[str, Any]) -> None:
    """Stores the event once: events never change."""
    with transaction.atomic():
        if not mirrored.Event.objects.filter(id=payload["id"]).exists():
            mirrored.Event.sync_from_stripe_data(dict(payload), api_key=NO_KEY)  # type: ignore[no-untyped-call]


def _store(found: Mapping[Reference, datetime | None]) -> tuple[str, ...]:
    """Raises: MissingAnswer, _StoredSince."""
    with connection.cursor() as cursor:
        # Races with every other run; see the module's docstring.
        cursor.execute(_LOCK_STORING)
    _check_not_stored_since(found)
    for reference in found:
        model = KINDS[reference[0]].model
        model.sync_from_stripe_data(_adapt_to_djstripe(_retrieve(reference), reference[0]), api_key=NO_KEY)
        # By the database's clock: one store after the other, so no two have the same time.
        model.objects.filter(id=reference[1]).update(djstripe_updated=_ClockTimestamp())
    _link_customers([object_id for kind, object_id in found if kind == "customer"])
    return tuple(object_id for _, object_id in found)


def _check_not_stored_since(found: Mapping[Reference, datetime | None]) -> None:
    """Raises: _StoredSince, where an object was stored after this run noted when that was last done."""
    for reference, stored_at in found.items():
        if _find_stored_at(reference) != stored_at:
            raise _StoredSince


def _find_stored_at(reference: Reference) -> datetime | None:
    stored = KINDS[reference[0]].model.objects.filter(id=reference[1])
    return stored.values_list("djstripe_updated", flat=True).first()  # type: ignore[no-any-return]


def _adapt_to_djstripe(data: Any, kind: str) -> Any:
    """Adds two references where dj-stripe 2.11 reads them: Stripe's API had them there until 2025."""
    if kind == "invoice" and "subscription" not in data:
        data["subscription"] = next(_find_values(data, ["parent", "subscription_details", "subscription"]), None)
    if kind == "customer" and data.get("discount") and not data["discount"].get("coupon"):
        data["discount"]["coupon"] = next(_find_values(data, ["discount", "source", "coupon"]), None)
    return data


def _link_customers(customer_ids: list[str]) -> None:
    """Links Stripe's customers to ours by the ids that we stored: metadata can be edited in Stripe's dashboard."""
    ours = Customer.objects.filter(stripe_customer_id=OuterRef("id")).values("id")
    mirrored.Customer.objects.filter(id__in=customer_ids).update(subscriber=Subquery(ours))


class _ClockTimestamp(Func):
    function = "clock_timestamp"
    output_field = DateTimeField()
