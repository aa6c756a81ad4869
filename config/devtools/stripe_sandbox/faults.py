"""Faults: switches for everything that can go wrong between a client and Stripe, by route and by count.

A fault is a JSON object. An absent field has the first of these values:

    method            "*" or GET, POST, DELETE
    path              "*" or a pattern such as "/v1/checkout/sessions" or "/v1/subscriptions/*"
    idempotency_key   "*" or a pattern that the request's key must match
    when              "before" the request is executed, or "after" it was
    effect            "delay" (late only), "drop" (the connection closes without an answer), "cut" (half an answer),
                      "answer" (`status`, and `body` or Stripe's usual error), "garbage" (not JSON)
    seconds           0; how long to wait first, with any effect
    status            500 for answer, 200 for garbage
    stored            whether the answer is stored for the idempotency key, as Stripe stores its own 500s. By default
                      only a 500 is; a 502, 503, 504, 4xx or garbage comes from a proxy in between
    skip              0; how many matching requests pass first
    count             1; how many are hit, null for all

Only the first fault that matches a request applies to it.
"""

import json
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from config.devtools.stripe_sandbox.store import Object, Store
from config.devtools.stripe_sandbox.switches import check_switch
from config.devtools.stripe_sandbox.world import new_id

SERVER_ERROR = 500
GARBAGE = "<html><body>502 Bad Gateway</body></html>"
_CHOICES = {"when": ("before", "after"), "effect": ("delay", "drop", "cut", "answer", "garbage")}
_USUAL: dict[int, Object] = {
    401: {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_****"},
    402: {"type": "card_error", "code": "card_declined", "message": "Your card was declined."},
    403: {"type": "invalid_request_error", "message": "The provided key does not have the required permissions."},
    404: {"type": "invalid_request_error", "code": "resource_missing", "message": "No such object"},
    409: {"type": "invalid_request_error", "code": "lock_timeout", "message": "The object is locked; try again."},
    429: {"type": "invalid_request_error", "code": "rate_limit", "message": "Request rate limit exceeded."},
}


@dataclass(frozen=True)
class Fault:
    """One fault; see the module's docstring."""

    id: str
    method: str = "*"
    path: str = "*"
    idempotency_key: str = "*"
    when: str = "before"
    effect: str = "delay"
    seconds: float = 0
    status: int = SERVER_ERROR
    body: Any = None
    stored: bool = False
    skip: int = 0
    count: int | None = 1
    hits: int = 0

    def fits(self, method: str, path: str, key: str) -> bool:
        """Tell whether a request matches."""
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(key, self.idempotency_key)
        )

    @property
    def answers(self) -> bool:
        """Returns whether the fault replaces Stripe's answer."""
        return self.effect in ("answer", "garbage")

    def text(self) -> str:
        """Return the body of the fault's answer."""
        if isinstance(self.body, str):
            return self.body
        if self.body is not None:
            return json.dumps(self.body)
        if self.effect == "garbage":
            return GARBAGE
        usual = {"type": "api_error", "message": "An unknown error occurred."}
        if self.status < SERVER_ERROR:
            usual = {"type": "invalid_request_error", "message": "The request is refused."}
        return json.dumps({"error": _USUAL.get(self.status, usual)})


def read_fault(given: Object) -> Fault:
    """Parse the fault that a control call describes.

    Raises: StripeError for an unknown field or an invalid value.
    """
    check_switch(Fault, given, choices=_CHOICES, own={"id", "hits"})
    status = given.get("status", 200 if given.get("effect") == "garbage" else SERVER_ERROR)
    stored = given.get("stored", status == SERVER_ERROR and given.get("effect") == "answer")
    return Fault(**given | {"id": new_id("fault"), "status": status, "stored": stored})


class Faults:
    """The active faults, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Object]:
        """List all faults with the number of their hits, used-up ones too."""
        faults: list[Object] = self._store.setting("faults", [])
        return faults

    def add(self, fault: Fault) -> Object:
        """Add a fault."""
        added = asdict(fault)
        self._store.set("faults", [*self.all(), added])
        return added

    def remove(self, identifier: str | None) -> None:
        """Remove one fault, or all."""
        self._store.set("faults", [each for each in self.all() if identifier not in (None, each["id"])])

    def take(self, method: str, path: str, key: str) -> Fault | None:
        """Return the fault that applies to this request, and count the hit."""
        faults = self.all()
        for index, each in enumerate(faults):
            fault = Fault(**each)
            if fault.count == 0 or not fault.fits(method, path, key):
                continue
            if fault.skip:
                faults[index]["skip"] -= 1
                self._store.set("faults", faults)
                continue
            faults[index]["hits"] += 1
            if fault.count is not None:
                faults[index]["count"] -= 1
            self._store.set("faults", faults)
            return fault
        return None
