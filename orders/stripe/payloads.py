"""Reads facts from Stripe's objects: pure functions, one place for each fact.

An object is a mapping, as an answer of the API or the payload of an event holds it. Amounts are integers of the
currency's smallest unit; times are whole seconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings

Object = Mapping[str, Any]

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
    """The id that a reference names; empty where there is none.

    A reference is an id, or the object itself where Stripe was asked to expand it.
    """
    if isinstance(reference, Mapping | stripe.StripeObject):
        reference = reference["id"]
    return str(reference or "")


def read_link(document: Object, name: str) -> str:
    """A link to a page or document at Stripe; empty where there is none that may be shown to people."""
    link = document.get(name)
    return str(link) if is_link(link) and len(str(link)) <= MAX_LINK_LENGTH else ""


def is_link(value: Any) -> bool:
    """Whether this is a link by https, or one of the configured stand-in for Stripe in tests and the demo."""
    return (
        isinstance(value, str)
        and value.isprintable()
        and value.startswith(("https://", f"{settings.STRIPE_API_BASE}/"))
    )


def read_currency(document: Object) -> str:
    """The ISO code in upper case, as our rows store it."""
    return str(document.get("currency") or "").upper()


def read_moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def read_event_object(payload: Object) -> Object:
    """The object that an event is about."""
    document: Object = payload["data"]["object"]
    return document


def read_event_time(payload: Object) -> datetime:
    """When Stripe says that the event happened."""
    return read_moment(payload.get("created") or 0)


def read_order_id(document: Object) -> UUID | None:
    """The order that a session, subscription or charge carries: we write it there when we ask for a session."""
    return _parse_uuid((document.get("metadata") or {}).get("order_id")) or _parse_uuid(
        document.get("client_reference_id")
    )


def read_invoice_order_id(invoice: Object) -> UUID | None:
    """The order whose subscription an invoice bills."""
    return _parse_uuid((_read_subscription_details(invoice).get("metadata") or {}).get("order_id"))


def read_subscription_id(document: Object) -> str:
    """The subscription that an invoice or a session is for; empty where it is for none."""
    return read_reference(_read_subscription_details(document).get("subscription") or document.get("subscription"))


def read_invoice_period(invoice: Object) -> tuple[datetime, datetime]:
    """The month that an invoice bills: the period of its first line.

    The invoice's own period is the time in which its lines were collected. It is read only where there is no line.
    """
    lines = (invoice.get("lines") or {}).get("data") or []
    period = (lines[0].get("period") if lines else None) or {
        "start": invoice.get("period_start"),
        "end": invoice.get("period_end"),
    }
    return read_moment(period["start"]), read_moment(period["end"])


def read_invoice_paid_at(invoice: Object) -> datetime | None:
    seconds = (invoice.get("status_transitions") or {}).get("paid_at")
    return read_moment(seconds) if seconds else None


def read_subscription_period(subscription: Object) -> tuple[datetime, datetime] | None:
    """The current period; None where the object holds none.

    API versions from 2025-03-31 on hold it on the subscription's items, earlier ones on the subscription itself.
    """
    items = (subscription.get("items") or {}).get("data") or []
    holder = items[0] if items and items[0].get("current_period_end") else subscription
    if not holder.get("current_period_start") or not holder.get("current_period_end"):
        return None
    return read_moment(holder["current_period_start"]), read_moment(holder["current_period_end"])


def read_end_reason(subscription: Object) -> str:
    """Why a subscription ended, in Stripe's word; its status where Stripe gives no reason."""
    reason = (subscription.get("cancellation_details") or {}).get("reason")
    return str(reason or subscription.get("status"))


def _read_subscription_details(invoice: Object) -> Object:
    """What an invoice says of its subscription; API versions before 2025-03-31 said it on the invoice itself."""
    parent = invoice.get("parent") or {}
    return parent.get("subscription_details") or invoice.get("subscription_details") or {}


def _parse_uuid(text: Any) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
