"""The form of an event that the webhook accepts: what its storage needs, and every field that we read of it.

A signature says who sent an event, not that its content can be stored. A field of another type or out of range would
fail the request with a 500, or fail the job that settles the event on every attempt. Only fields that we read are
checked, and null or absent is accepted wherever Stripe may leave a field out; so an event of a newer API version
passes.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .payloads import is_link

Check = Callable[[Any], bool]

MAX_ID_LENGTH = 255
MAX_TYPE_LENGTH = 100
MAX_WORD_LENGTH = 500
# The last second of the year 9999, the last one that Python and the API's times can express.
MAX_SECONDS = 253_402_300_799
# What a column of amounts holds.
MAX_AMOUNT = 2**63 - 1


class MalformedEvent(ValueError):
    """The event is not in the form that Stripe documents."""


def check_event(payload: Any) -> None:
    """Checks an event before it is stored. Raises: MalformedEvent."""
    if not _ENVELOPE(payload) or not _DOCUMENTS.get(payload["type"], _OTHER)(payload["data"]["object"]):
        raise MalformedEvent


def _text(max_length: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= max_length


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable()


def _whole(maximum: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum


def _is_signed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_AMOUNT


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _object(required: Mapping[str, Check] | None = None, **optional: Check) -> Check:
    """Checks an object: its required fields, and its optional ones unless they are null or absent."""
    fields = {name: _optional(check) for name, check in optional.items()} | dict(required or {})
    return lambda value: isinstance(value, dict) and all(check(value.get(name)) for name, check in fields.items())


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _is_metadata(value: Any) -> bool:
    return isinstance(value, dict)


_ID = {"id": _is_id}
_WORD = _text(MAX_WORD_LENGTH)
_MOMENT, _AMOUNT = _whole(MAX_SECONDS), _whole(MAX_AMOUNT)
_REFERENCE = _either(_is_id, _object(_ID), lambda value: value == "")

_LINK = _either(is_link, lambda value: value == "")

_ENVELOPE = _object(
    {
        "object": lambda value: value == "event",
        "id": _is_id,
        "type": lambda value: _text(MAX_TYPE_LENGTH)(value) and value != "",
        "created": _MOMENT,
        "data": _object({"object": lambda value: isinstance(value, dict)}),
    },
    api_version=_text(64),
    livemode=_is_flag,
    pending_webhooks=_whole(MAX_AMOUNT),
    request=_either(_text(MAX_ID_LENGTH), _object(id=_text(MAX_ID_LENGTH), idempotency_key=_WORD)),
)

# Of an object that we do not settle, the mirror reads these.
_OTHER = _object(id=_is_id, object=_WORD, customer=_REFERENCE)
_SESSION = _object(
    _ID,
    object=_WORD,
    amount_total=_AMOUNT,
    currency=_WORD,
    customer=_REFERENCE,
    client_reference_id=_WORD,
    invoice=_REFERENCE,
    metadata=_is_metadata,
    payment_intent=_REFERENCE,
    payment_status=_WORD,
    status=_WORD,
    subscription=_REFERENCE,
    url=_text(10_000),
)
_PERIOD = _object(start=_MOMENT, end=_MOMENT)
_SUBSCRIPTION_DETAILS = _object(subscription=_REFERENCE, metadata=_is_metadata)
_LINE_DETAILS = _object(subscription=_REFERENCE, proration=_is_flag)
_LINE = _object(
    amount=_is_signed,
    parent=_object(type=_WORD, subscription_item_details=_LINE_DETAILS),
    period=_PERIOD,
    proration=_is_flag,
    subscription=_REFERENCE,
    type=_WORD,
)
_RECURRING = _object(interval=_WORD, interval_count=_AMOUNT)
_PRICE = _object(amount=_AMOUNT, unit_amount=_AMOUNT, recurring=_RECURRING, interval=_WORD, interval_count=_AMOUNT)
_ITEM = _object(
    current_period_start=_MOMENT,
    current_period_end=_MOMENT,
    plan=_either(_is_id, _PRICE),
    price=_either(_is_id, _PRICE),
    quantity=_AMOUNT,
)
_INVOICE = _object(
    _ID,
    object=_WORD,
    amount_due=_AMOUNT,
    amount_paid=_AMOUNT,
    billing_reason=_WORD,
    currency=_WORD,
    customer=_REFERENCE,
    hosted_invoice_url=_LINK,
    invoice_pdf=_LINK,
    lines=_object(data=_list_of(_LINE), has_more=_is_flag),
    parent=_object(subscription_details=_SUBSCRIPTION_DETAILS),
    payment_intent=_REFERENCE,
    period_end=_MOMENT,
    period_start=_MOMENT,
    status=_WORD,
    status_transitions=_object(paid_at=_MOMENT),
    subscription=_REFERENCE,
    subscription_details=_SUBSCRIPTION_DETAILS,
)
_SUBSCRIPTION = _object(
    _ID,
    object=_WORD,
    cancel_at_period_end=_is_flag,
    cancellation_details=_object(reason=_WORD),
    customer=_REFERENCE,
    items=_object(data=_list_of(_ITEM), has_more=_is_flag),
    metadata=_is_metadata,
    status=_WORD,
    current_period_end=_MOMENT,
    current_period_start=_MOMENT,
)
_CHARGE = _object(
    _ID,
    object=_WORD,
    amount=_AMOUNT,
    amount_refunded=_AMOUNT,
    currency=_WORD,
    customer=_REFERENCE,
    invoice=_REFERENCE,
    metadata=_is_metadata,
    payment_intent=_REFERENCE,
    reason=_WORD,
)

_DOCUMENTS: dict[str, Check] = {
    "checkout.session.completed": _SESSION,
    "checkout.session.async_payment_succeeded": _SESSION,
    "checkout.session.async_payment_failed": _SESSION,
    "checkout.session.expired": _SESSION,
    "charge.refunded": _CHARGE,
    "charge.dispute.created": _CHARGE,
    "charge.dispute.closed": _CHARGE,
    "invoice.paid": _INVOICE,
    "invoice.payment_failed": _INVOICE,
    "customer.subscription.updated": _SUBSCRIPTION,
    "customer.subscription.deleted": _SUBSCRIPTION,
}
