"""Reads facts from Stripe's objects: pure functions, one place for each fact.

An object is a mapping, as an answer of the API or the payload of an event holds it. Amounts are integers of the
currency's smallest unit; times are whole seconds since 1970.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings

Object = Mapping[str, Any]
Period = tuple[datetime, datetime]

_CYCLE = "subscription_cycle"
# Why Stripe makes an invoice that is no renewal. A reason that Stripe adds later counts as one if it bills a month.
_OTHER_BILLING_REASONS = (
    "automatic_pending_invoice_item_invoice",
    "manual",
    "quote_accept",
    "subscription_create",
    "subscription_threshold",
    "subscription_update",
    "upcoming",
)
OTHER_INTERVAL = -1

# What the column of an invoice's document holds.
MAX_LINK_LENGTH = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A Checkout Session; `status` is open, complete or expired."""

    id: str
    url: str
    status: str
    payment_status: str
    raw: Object


def read_session(document: Object) -> Session:
    return Session(
        id=str(document["id"]),
        url=document.get("url") or "",
        status=document.get("status") or "",
        payment_status=document.get("payment_status") or "",
        raw=document,
    )


def read_reference(reference: Any) -> str:
    """Returns the id that a reference names; empty where there is none.

    A reference is an id, or the object itself where Stripe was asked to expand it.
    """
    if isinstance(reference, Mapping | stripe.StripeObject):
        reference = reference["id"]
    return str(reference or "")


def read_link(document: Object, name: str) -> str:
    """Returns a link to a page or document at Stripe; empty where there is none that may be shown to people."""
    link = document.get(name)
    return str(link) if is_link(link) and len(str(link)) <= MAX_LINK_LENGTH else ""


def is_link(value: Any) -> bool:
    """Returns whether this is a link by https, or one of the configured stand-in for Stripe in tests and the demo."""
    return (
        isinstance(value, str)
        and value.isprintable()
        and value.startswith(("https://", f"{settings.STRIPE_API_BASE}/"))
    )


def read_currency(document: Object) -> str:
    """Returns the ISO code in upper case, as our rows store it."""
    return str(document.get("currency") or "").upper()


def read_moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def read_event_object(payload: Object) -> Object:
    """Returns the object that an event is about."""
    document: Object = payload["data"]["object"]
    return document


def read_event_time(payload: Object) -> datetime:
    """Returns the time at which Stripe says that the event happened."""
    return read_moment(payload.get("created") or 0)


def read_order_id(document: Object) -> UUID | None:
    """Returns the order that a session, subscription or charge names: we put it there when we ask for a session."""
    return _parse_uuid((document.get("metadata") or {}).get("order_id")) or _parse_uuid(
        document.get("client_reference_id")
    )


def read_invoice_order_id(invoice: Object) -> UUID | None:
    """Returns the order whose subscription an invoice bills."""
    return _parse_uuid((_read_subscription_details(invoice).get("metadata") or {}).get("order_id"))


def read_subscription_id(document: Object) -> str:
    """Returns the subscription that an invoice or a session is for; empty where it is for none."""
    return read_reference(_read_subscription_details(document).get("subscription") or document.get("subscription"))


def read_invoice_period(invoice: Object) -> Period | None:
    """Returns the month that an invoice bills: the period of its subscription's lines; None where it has none.

    Lines have no order to rely on: one-off items, which may have no length, and prorations stand among them. The
    invoice's own period is the time in which its lines were collected.
    """
    return _choose_period(line.get("period") for line in _read_subscription_lines(invoice))


def read_invoice_price(invoice: Object) -> int | None:
    """Returns the price of the month that an invoice bills, before discounts; None where its lines do not say all."""
    amounts = [line.get("amount") for line in _read_subscription_lines(invoice)]
    if not lists_all_lines(invoice) or not amounts or None in amounts:
        return None
    return sum(int(amount) for amount in amounts if amount is not None)


def lists_all_lines(invoice: Object) -> bool:
    """Returns whether the object holds all lines of the invoice: an event holds the first ones only."""
    lines = invoice.get("lines") or {}
    return "data" in lines and not lines.get("has_more")


def bills_month(invoice: Object) -> bool:
    """Returns whether an invoice bills a month of a subscription, not a change, a one-off item, or its beginning."""
    reason = invoice.get("billing_reason") or _CYCLE
    return reason == _CYCLE or reason not in _OTHER_BILLING_REASONS


def read_invoice_paid_at(invoice: Object) -> datetime | None:
    seconds = (invoice.get("status_transitions") or {}).get("paid_at")
    return read_moment(seconds) if seconds else None


def read_subscription_period(subscription: Object) -> Period | None:
    """Returns the current period; None where the object holds none.

    API versions from 2025-03-31 on hold it on the subscription's items, earlier ones on the subscription itself.
    """
    holders = [*_read_items(subscription), subscription]
    periods = ({"start": each.get("current_period_start"), "end": each.get("current_period_end")} for each in holders)
    return _choose_period(periods)


def read_monthly_price(subscription: Object) -> int | None:
    """Returns the monthly price of a subscription before discounts; None where the object does not say it in full.

    A subscription with another interval than a month has no such price. Returns OTHER_INTERVAL then.
    """
    items = _read_items(subscription)
    if not items or (subscription.get("items") or {}).get("has_more"):
        return None
    total = 0
    for item in items:
        price = item.get("price") or item.get("plan")
        if not isinstance(price, Mapping):
            return None
        recurring = price.get("recurring") or price
        amount, quantity = price.get("unit_amount", price.get("amount")), item.get("quantity")
        if amount is None or quantity is None:
            return None
        if (recurring.get("interval") or "month", recurring.get("interval_count") or 1) != ("month", 1):
            return OTHER_INTERVAL
        total += amount * quantity
    return total


def read_end_reason(subscription: Object) -> str:
    """Why a subscription ended, in Stripe's word; its status where Stripe gives no reason."""
    reason = (subscription.get("cancellation_details") or {}).get("reason")
    return str(reason or subscription.get("status"))


def _read_subscription_details(invoice: Object) -> Object:
    """Returns an invoice's subscription details; API versions before 2025-03-31 have them on the invoice itself."""
    parent = invoice.get("parent") or {}
    return parent.get("subscription_details") or invoice.get("subscription_details") or {}


def _read_subscription_lines(invoice: Object) -> list[Object]:
    """Returns the lines of an invoice that bill its subscription's items for a whole period."""
    subscription_id = read_subscription_id(invoice)
    lines = (invoice.get("lines") or {}).get("data") or []
    return [line for line in lines if _bills_item(line, subscription_id)]


def _bills_item(line: Object, subscription_id: str) -> bool:
    """API versions before 2025-03-31 say on the line itself what later ones say on its parent."""
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or {}
    kind = parent.get("type") or line.get("type") or "subscription"
    named = read_reference(details.get("subscription") or line.get("subscription"))
    return (
        kind in ("subscription_item_details", "subscription")
        and not (details.get("proration") or line.get("proration"))
        and named in ("", subscription_id)
    )


def _read_items(subscription: Object) -> list[Object]:
    return (subscription.get("items") or {}).get("data") or []


def _choose_period(periods: Iterable[Object | None]) -> Period | None:
    """Returns the period that began last, and of those the shortest: usage is billed late, some add-ons yearly."""
    found = [(each["start"], each["end"]) for each in periods if each and each.get("start") and each.get("end")]
    forward = [(start, end) for start, end in found if start < end]
    if not forward:
        return None
    start, end = max(forward, key=lambda period: (period[0], -period[1]))
    return read_moment(start), read_moment(end)


def _parse_uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
