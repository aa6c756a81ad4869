"""Idempotency keys of POST requests.

The first answer for a key is stored for 24 hours and repeated with `Idempotent-Replayed: true`, whether it was a
success, a refusal while executing, or a 500. A refusal before executing (a bad key, a parameter, 409, 429) is not
stored. The same key with other parameters or another path is a 400, and a key whose first request is in flight a 409.
Stripe may forget a key any time after those 24 hours; the sandbox forgets it at once.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from config.devtools.stripe_sandbox.clock import DAY
from config.devtools.stripe_sandbox.protocol.errors import invalid, key_in_use, key_reused
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class Kept:
    """A stored answer."""

    status: int
    body: str
    request_id: str


class Keys:
    """The keys in flight, in memory, and the stored answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Reserve the key while a request is in flight.

        Raises: StripeError if the key is in use or too long.
        """
        if not key:
            yield
            return
        if len(key) > MAX_KEY_LENGTH:
            raise invalid(f"Idempotency keys can be up to {MAX_KEY_LENGTH} characters.")
        with self._lock:
            if key in self._in_flight:
                raise key_in_use(key)
            self._in_flight.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight.discard(key)

    def kept(self, key: str, path: str, given: Object) -> Kept | None:
        """Return the stored answer for the key.

        Raises: StripeError if it belongs to another path or other parameters.
        """
        oldest = self._world.clock.now() - DAY
        self._world.store.rows("DELETE FROM answers WHERE at <= ?", oldest)
        rows = self._world.store.rows(
            "SELECT fingerprint, path, status, body, request_id FROM answers WHERE key = ?", key
        )
        if not rows:
            return None
        fingerprint, first_path, status, body, request_id = rows[0]
        other = f" Try using a key other than '{key}' if you meant to execute a different request."
        if first_path != path:
            raise key_reused(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for"
                f" ('{path}' vs '{first_path}').{other}"
            )
        if fingerprint != _fingerprint(given):
            raise key_reused(
                "Keys for idempotent requests can only be used with the same parameters they were first used"
                f" with.{other}"
            )
        return Kept(status, body, request_id)

    def keep(self, key: str, path: str, given: Object, answer: Kept) -> None:
        """Store the answer for the key, unless there is one."""
        self._world.store.rows(
            "INSERT OR IGNORE INTO answers (key, fingerprint, path, status, body, request_id, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(key, _fingerprint(given), path, answer.status, answer.body, answer.request_id),
            self._world.clock.now(),
        )


def _fingerprint(given: Object) -> str:
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
