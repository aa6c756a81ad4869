"""Idempotency keys of POST requests.

The first answer of a key is kept for 24 hours and given again, with `Idempotent-Replayed: true`, whatever it was: a
success, a refusal from executing it, a 500. What is refused before executing (a bad key, a parameter, 409, 429) is
not kept. Other parameters or another path with the same key: 400. A key whose first request is not finished: 409.
Stripe may forget a key any time after those 24 hours; the sandbox does so at once.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from config.devtools.stripe_sandbox.clock import DAY
from config.devtools.stripe_sandbox.errors import invalid, key_in_use, key_reused
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

LONGEST_KEY = 255


@dataclass(frozen=True)
class Kept:
    """An answer that was given before."""

    status: int
    body: str
    request_id: str


class Keys:
    """The keys in flight, in memory, and the answers kept, in the store."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()

    @contextmanager
    def claimed(self, key: str) -> Iterator[None]:
        """Nobody else uses the key meanwhile.

        Raises: StripeError for a key in use, or one that is too long.
        """
        if not key:
            yield
            return
        if len(key) > LONGEST_KEY:
            raise invalid(f"Idempotency keys can be up to {LONGEST_KEY} characters.")
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
        """What the key was answered before.

        Raises: StripeError where that was for another path or other parameters.
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
        """Give this answer from now on; the first one counts."""
        self._world.store.rows(
            "INSERT OR IGNORE INTO answers (key, fingerprint, path, status, body, request_id, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(key, _fingerprint(given), path, answer.status, answer.body, answer.request_id),
            self._world.clock.now(),
        )


def _fingerprint(given: Object) -> str:
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
