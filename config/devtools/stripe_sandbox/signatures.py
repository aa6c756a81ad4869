"""Signs webhooks, correctly or with a chosen fault.

Stripe's header is `Stripe-Signature: t=<seconds>,v1=<HMAC-SHA256 of "t.payload">`. Each attempt is signed with the
current real time, so a delivery that is days late still has a fresh signature. Only `age_seconds` makes a stale one.
"""

import hashlib
import hmac
import json
import re
import time
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.switches import check_switch
from config.devtools.stripe_sandbox.world import new_id

_CHOICES = {"signature": ("valid", "forged", "missing"), "order": ("created", "reversed", "shuffled")}
_ID = re.compile(r"(cs_test|sub|si|in|il|inpay|pi|ch|cus|re|dp|pm|txn|evt)_[A-Za-z0-9]+")
_SENT_BACK = ("metadata", "client_reference_id")


@dataclass(frozen=True)
class Manner:
    """A way to deliver events.

    automatic: deliver events when they occur; otherwise they wait for a flush
    delay_seconds: the delay before the first attempt
    copies: how many times to send each event
    concurrent: send the copies, or all events of a flush, at the same time
    order: the order of pending events: created, reversed or shuffled
    signature: valid, forged (by another secret) or missing
    age_seconds: sign as if this long ago
    currency: replace the currency in the payload, under a new event id
    unknown_objects: replace all ids by unknown ones, under a new event id
    types: patterns of event types; other types are delivered by default
    count: the number of attempts that this applies to; None for all
    """

    automatic: bool = True
    delay_seconds: float = 0
    copies: int = 1
    concurrent: bool = False
    order: str = "created"
    signature: str = "valid"
    age_seconds: int = 0
    currency: str | None = None
    unknown_objects: bool = False
    types: tuple[str, ...] = ("*",)
    count: int | None = None

    def concerns(self, kind: str) -> bool:
        """Tell whether this applies to events of that type."""
        return any(fnmatchcase(kind, pattern) for pattern in self.types)

    def unusual(self) -> Object:
        """Return the fields that differ from the default, for the log."""
        usual = asdict(Manner())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def read_manner(given: Object) -> Manner:
    """Parse the manner that a control call describes. Absent fields have their defaults.

    Raises: StripeError for an unknown field or an invalid value.
    """
    check_switch(Manner, given, choices=_CHOICES, own=set())
    return Manner(**given | {"types": tuple(given.get("types", ("*",)))})


def payload_of(event: Object, manner: Manner) -> bytes:
    """Return the body: indented JSON, as Stripe sends it."""
    sent: Any = event
    if manner.currency:
        sent = _with_currency(sent, manner.currency) | {"id": new_id("evt")}
    if manner.unknown_objects:
        sent = _with_unknown_ids(sent, {})
    return json.dumps(sent, indent=2).encode()


def signature_of(payload: bytes, secret: str, manner: Manner) -> str | None:
    """Return the value of the header, or None if it is not sent."""
    if manner.signature == "missing":
        return None
    if manner.signature == "forged":
        secret = new_id("whsec")
    at = int(time.time()) - manner.age_seconds
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _with_currency(value: Any, currency: str) -> Any:
    if isinstance(value, dict):
        return {
            name: currency if name == "currency" and inner else _with_currency(inner, currency)
            for name, inner in value.items()
        }
    return [_with_currency(each, currency) for each in value] if isinstance(value, list) else value


def _with_unknown_ids(value: Any, renamed: dict[str, str]) -> Any:
    """Replace every id consistently, and remove the fields that the client had set."""
    if isinstance(value, dict):
        return {
            name: ({} if isinstance(inner, dict) else None)
            if name in _SENT_BACK
            else _with_unknown_ids(inner, renamed)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_unknown_ids(each, renamed) for each in value]
    if isinstance(value, str) and (match := _ID.fullmatch(value)):
        return renamed.setdefault(value, new_id(match[1]))
    return value
