"""Delivers events to webhook endpoints: signed, retried until a 2xx, and with the faults that a test chooses.

One worker delivers one event after another. Pending deliveries are kept in the store and survive a restart. A refused
delivery is retried after 1, 2, 5, 10, 30 and 60 seconds and then less and less often, for three days, as at Stripe.
The control API can deliver any event again at any time. Not reproduced: endpoints made through the API, Stripe's IP
addresses, disabling of an endpoint that fails for days.
"""

import http.client
import json
import random
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from config.devtools.stripe_sandbox.signatures import Manner, payload_of, read_manner, signature_of
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, public

RETRY_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21_600, 43_200, 86_400, 86_400)
ANSWER_TIMEOUT_SECONDS = 20
IDLE_SECONDS = 0.2
STOP_TIMEOUT_SECONDS = 3
MAX_CONCURRENT_DELIVERIES = 64
_SUCCESS = range(200, 300)


class Deliveries:
    """The queue of deliveries and the worker that empties it."""

    def __init__(self, world: World, stopping: threading.Event) -> None:
        self._world = world
        self._store = world.store
        self._stopping = stopping
        # Only one sends at a time, the worker or a flush. Two senders could deliver the same event twice.
        self._sending = threading.Lock()
        self._worker = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._worker.start()

    def join(self) -> None:
        """Wait until the worker has stopped, but not for an endpoint that hangs."""
        self._worker.join(STOP_TIMEOUT_SECONDS)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._store.transaction():
                    self._world.run_due()
                with self._sending:
                    sent = self._deliver_next()
            except Exception:  # noqa: BLE001 - one event that cannot be sent must not end all deliveries
                if self._stopping.is_set():
                    return
                traceback.print_exc(file=sys.stderr)
                sent = False
            if not sent:
                self._stopping.wait(IDLE_SECONDS)

    # --- The manner ---------------------------------------------------------------------------------------
    def manner(self) -> Manner:
        """Return how events are delivered now."""
        return read_manner(self._store.setting("manner", {}))

    def _manner_for(self, kind: str) -> Manner:
        """Return the manner for an event of that type. Count down, and restore the default after the last use."""
        with self._store.transaction():
            given = self._store.setting("manner", {})
            manner = read_manner(given)
            if not manner.concerns(kind):
                return Manner()
            if manner.count is not None:
                given["count"] = manner.count - 1
                self._store.set("manner", given if given["count"] > 0 else {})
            return manner

    # --- The queue ----------------------------------------------------------------------------------------
    def _deliver_next(self) -> bool:
        manner = self.manner()
        now = time.time()
        for position, kind, attempts, due_at in self._pending(manner.order):
            concerned = manner.concerns(kind)
            if concerned and not manner.automatic:
                continue
            delay = manner.delay_seconds if concerned and attempts == 0 else 0
            if due_at + delay <= now:
                self._attempt(position, self._manner_for(kind))
                return True
        return False

    def _pending(self, order: str) -> list[tuple[int, str, int, float]]:
        rows: list[tuple[int, str, int, float]] = self._store.rows(
            "SELECT position, type, attempts, due_at FROM deliveries WHERE state = 'pending' ORDER BY position"
        )
        if order == "reversed":
            rows.reverse()
        elif order == "shuffled":
            random.shuffle(rows)
        return rows

    def flush(self) -> list[Object]:
        """Attempt each pending delivery once, now, in the current manner. Return the attempts."""
        with self._sending:
            manner = self.manner()
            waiting = [(row[0], self._manner_for(row[1])) for row in self._pending(manner.order)]
            with ThreadPoolExecutor(MAX_CONCURRENT_DELIVERIES if manner.concurrent else 1) as pool:
                made = list(pool.map(lambda each: self._attempt(*each), waiting))
        return [attempt for attempts in made for attempt in attempts]

    def _attempt(self, position: int, manner: Manner) -> list[Object]:
        rows = self._store.rows("SELECT event_id, endpoint_id, attempts FROM deliveries WHERE position = ?", position)
        if not rows:  # the sandbox was reset in between
            return []
        event_id, endpoint_id, attempts = rows[0]
        endpoint = next((each for each in self.endpoints() if each["id"] == endpoint_id), None)
        event = self._store.load(event_id)
        if endpoint is None or event is None:
            self._store.rows("UPDATE deliveries SET state = 'failed' WHERE position = ?", position)
            return []
        made = self._send(event, endpoint, manner, attempts + 1)
        taken = all(each["status"] in _SUCCESS for each in made)
        wait = RETRY_SECONDS[attempts] if attempts < len(RETRY_SECONDS) else None
        state = "delivered" if taken else "pending" if wait else "failed"
        self._store.rows(
            "UPDATE deliveries SET state = ?, attempts = ?, due_at = ? WHERE position = ?",
            *(state, attempts + 1, time.time() + (wait or 0), position),
        )
        return made

    def deliver(self, event: Object, manner: Manner) -> list[Object]:
        """Send an event now to every endpoint, whether or not it was delivered. The queue does not change."""
        return [attempt for endpoint in self.endpoints() for attempt in self._send(event, endpoint, manner, 0)]

    def endpoints(self) -> list[Object]:
        """Return the endpoints."""
        endpoints: list[Object] = self._store.setting("endpoints", [])
        return endpoints

    # --- Sending ------------------------------------------------------------------------------------------
    def _send(self, event: Object, endpoint: Object, manner: Manner, number: int) -> list[Object]:
        payload = payload_of(public(event), manner)
        copies = max(1, min(manner.copies, MAX_CONCURRENT_DELIVERIES))
        together = threading.Barrier(copies if manner.concurrent else 1)

        def send(copy: int) -> Object:
            if manner.concurrent:
                together.wait(ANSWER_TIMEOUT_SECONDS)
            started = time.monotonic()
            status, said = _post(endpoint["url"], payload, signature_of(payload, endpoint["secret"], manner))
            return {
                "at": time.time(),
                "attempt": number,
                "copy": copy,
                "error": None if status in _SUCCESS else said,
                "event": event["id"],
                "manner": manner.unusual(),
                "milliseconds": round((time.monotonic() - started) * 1000),
                "sent_id": json.loads(payload)["id"],
                "status": status,
                "type": event["type"],
                "url": endpoint["url"],
            }

        if manner.concurrent:
            with ThreadPoolExecutor(copies) as pool:
                made = list(pool.map(send, range(copies)))
        else:
            made = [send(copy) for copy in range(copies)]
        with self._store.transaction():
            if self._store.load(event["id"]) is None:  # the sandbox was reset in between
                return made
            for each in made:
                self._store.rows("INSERT INTO attempts (event_id, data) VALUES (?, ?)", event["id"], json.dumps(each))
        return made


def _post(url: str, payload: bytes, signature: str | None) -> tuple[int | None, str]:
    """Return the status and the start of the body, or no status without an answer. Redirects are not followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (sandbox)"}
    if signature is not None:
        headers["Stripe-Signature"] = signature
    try:
        connection.request("POST", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", payload, headers)
        response = connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
