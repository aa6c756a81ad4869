"""The Stripe account as endpoints use it: creates, finds, lists and changes objects, and records events."""

import secrets
import string
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import stripe

from config.devtools.stripe_sandbox.clock import API, BILLING, Clock
from config.devtools.stripe_sandbox.protocol.errors import BAD_REQUEST, NOT_FOUND, invalid, missing
from config.devtools.stripe_sandbox.protocol.shapes import Shapes
from config.devtools.stripe_sandbox.store import Object, Store

ACCOUNT = "acct_1Sandbox00000000"
API_VERSION = stripe.api_version
# The field of an object that no answer shows.
PRIVATE = "_sandbox"
_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 24
PREFIXES = {
    "balance_transaction": "txn",
    "billing_portal.session": "bps",
    "charge": "ch",
    "checkout.session": "cs_test",
    "coupon": "co",
    "customer": "cus",
    "discount": "di",
    "dispute": "dp",
    "event": "evt",
    "invoice": "in",
    "invoice_payment": "inpay",
    "item": "li",
    "line_item": "il",
    "payment_intent": "pi",
    "payment_method": "pm",
    "payout": "po",
    "price": "price",
    "product": "prod",
    "refund": "re",
    "subscription": "sub",
    "subscription_item": "si",
}
# Common fields that these kinds do not have.
_WITHOUT = {
    "balance_transaction": ("livemode",),
    "discount": ("created", "livemode"),
    "refund": ("livemode",),
}


def new_id(prefix: str) -> str:
    """Make a new id in Stripe's form."""
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))}"


@dataclass
class Call:
    """A request to an endpoint: its parameters, its id, its idempotency key, and how its answer varies."""

    given: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    idempotency_key: str | None = None
    shapes: Shapes | None = None


class World:
    """One account of the sandbox. Every method is called inside a transaction of the store."""

    def __init__(self, store: Store, base_url: str) -> None:
        self.store = store
        self.clock = Clock(store)
        self.base_url = base_url
        self.call = Call()
        # Action → the function to call on an object when its timer is due. The sandbox fills it from the resources.
        self.actions: dict[str, Callable[[World, Object], None]] = {}

    # --- Objects ------------------------------------------------------------------------------------------
    def make(self, kind: str, fields: Object, *, identifier: str | None = None, clock: str = API) -> Object:
        """Create an object with the common fields: id, kind, time of creation, test mode."""
        common = {"created": self.clock.now(clock), "livemode": False}
        item: Object = {
            "id": identifier or new_id(PREFIXES[kind]),
            "object": kind,
            **{name: value for name, value in common.items() if name not in _WITHOUT.get(kind, ())},
            **fields,
        }
        self.store.save(item)
        return item

    def change(self, item: Object, **fields: Any) -> Object:
        """Change an object and store it. Return the previous values of the changed fields."""
        before = {name: item.get(name) for name, value in fields.items() if item.get(name) != value}
        item.update(fields)
        self.store.save(item)
        return before

    def get(self, kind: str, identifier: str, *, param: str | None = None) -> Object:
        """Return an object.

        Args: param: the parameter that names it; None if the path does.

        Raises: StripeError resource_missing, 404 for a path and 400 for a parameter.
        """
        found = self.store.load(identifier, kind)
        if found is None or found.get("deleted"):
            status = BAD_REQUEST if param else NOT_FOUND
            raise missing(kind, identifier, param=param or "id", status=status)
        return found

    def reload(self, item: Object) -> Object:
        """Return the object as stored now."""
        return self.get(item["object"], item["id"])

    def merge_metadata(self, item: Object, given: Any) -> Object:
        """Merge metadata as Stripe does: names with a value are set, empty ones unset, an empty string clears all."""
        if given == "":
            return {}
        merged = {**item.get("metadata", {}), **(given or {})}
        return {name: text for name, text in merged.items() if text != ""}

    # --- Events -------------------------------------------------------------------------------------------
    def record_event(self, kind: str, item: Object, before: Object | None = None) -> Object:
        """Record an event with the object as it is now, and queue it for every webhook endpoint."""
        data: Object = {"object": public(item)}
        if before is not None:
            data["previous_attributes"] = before
        endpoints = [
            each
            for each in self.store.setting("endpoints", [])
            if any(fnmatchcase(kind, pattern) for pattern in each["events"])
        ]
        event = self.make(
            "event",
            {
                "api_version": API_VERSION,
                "data": data,
                "pending_webhooks": len(endpoints),
                "request": {"id": self.call.request_id, "idempotency_key": self.call.idempotency_key},
                "type": kind,
            },
        )
        for endpoint in endpoints:
            self.store.rows(
                "INSERT INTO deliveries (event_id, type, endpoint_id, state, attempts, due_at)"
                " VALUES (?, ?, ?, 'pending', 0, ?)",
                *(event["id"], kind, endpoint["id"], time.time()),
            )
        return event

    # --- Time ---------------------------------------------------------------------------------------------
    def run_due(self) -> int:
        """Run all due timers, in the order in which they became due. Return their number."""
        done = 0
        while (timer := self._next_due()) is not None:
            identifier, at, action, object_id = timer
            self.store.rows("DELETE FROM timers WHERE id = ?", identifier)
            item = self.store.load(object_id)
            if item is None:
                continue
            self.clock.standing_at = at
            caller, self.call = self.call, Call()
            try:
                self.actions[action](self, item)
            finally:
                self.clock.standing_at = None
                self.call = caller
            done += 1
        return done

    def _next_due(self) -> tuple[int, int, str, str] | None:
        rows = self.store.rows(
            "SELECT id, at, action, object_id FROM timers"
            " WHERE at <= CASE clock WHEN 'api' THEN ? ELSE ? END"
            " ORDER BY at - CASE clock WHEN 'api' THEN ? ELSE ? END, id LIMIT 1",
            *(self.clock.now(API), self.clock.now(BILLING)),
            *(self.clock.offset(API), self.clock.offset(BILLING)),
        )
        return rows[0] if rows else None

    # --- Answers ------------------------------------------------------------------------------------------
    def page(self, items: list[Object], url: str) -> Object:
        """Make a page of a list, by `limit` (10, at most 100), `starting_after`, `ending_before` and `created`."""
        given = self.call.given
        created = given.get("created")
        if created is not None:
            items = [item for item in items if _within(item["created"], created)]
        limit = given.get("limit", 10)
        if not 1 <= limit <= 100:  # noqa: PLR2004 - Stripe's limits
            raise invalid(
                "This value must be between 1 and 100 (inclusive).", param="limit", code="parameter_invalid_integer"
            )
        if self.call.shapes:
            items, limit = self.call.shapes.order_lines(items), min(limit, self.call.shapes.page_size)
        after, before = given.get("starting_after"), given.get("ending_before")
        if after:
            start = _position_of(items, after, "starting_after") + 1
            items = items[start:]
        if before:
            end = _position_of(items, before, "ending_before")
            more, items = end > limit, items[max(0, end - limit) : end]
        else:
            more, items = len(items) > limit, items[:limit]
        return {"object": "list", "data": items, "has_more": more, "url": url}


def whole_list(items: list[Object], url: str) -> Object:
    """Make a list that is part of an object."""
    return {"object": "list", "data": items, "has_more": False, "url": url}


def public(item: Any) -> Any:
    """Return a copy without the private fields of the sandbox."""
    if isinstance(item, dict):
        return {name: public(value) for name, value in item.items() if name != PRIVATE}
    if isinstance(item, list):
        return [public(value) for value in item]
    return deepcopy(item)


def _within(created: int, wanted: Any) -> bool:
    if isinstance(wanted, int):
        return created == wanted
    tests = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    return all(tests[name](bound) for name, bound in wanted.items())


def _position_of(items: list[Object], identifier: str, param: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == identifier:
            return place
    raise missing("object", identifier, param=param, status=BAD_REQUEST)
