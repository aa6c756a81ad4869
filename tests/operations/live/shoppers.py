"""Customers who check out over HTTP without a pause, retry as the API says, and remember every answer."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count, pairwise
from typing import Any
from uuid import uuid4

from .processes import ADDRESS, JWT_SECRET, token

# Longer than any request may take: the statement timeout and two waits for a connection.
ANSWER_SECONDS = 60
# A customer gives up after this long without an answer that settles the request. Behind PgBouncer a payment whose web
# process was killed is taken over after two minutes.
PATIENCE_SECONDS = 150
# Steady, and not all that the machine can do.
PAUSE_SECONDS = 0.1
CUSTOMERS_AT_ONCE = 4
PLENTY, SCARCE = "PLENTY", "SCARCE"
SCARCE_SLOTS = 150
# Every so many customers use the scarce voucher.
SCARCE_EVERY = 4


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the service; status 0 stands for a connection that broke."""

    status: int
    body: Any
    retry_after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout that was answered for good."""

    user_id: str
    tenant_id: str
    key: str
    body: dict[str, Any]
    answer: Answer
    attempts: int
    answered_at: float


@dataclass
class Shoppers:
    """Customers and the answers that they got. `ports` are the web servers among which a gateway would choose."""

    ports: list[int]
    pause_seconds: float = PAUSE_SECONDS
    # What signs their tokens.
    jwt_secret: str = JWT_SECRET
    settled: list[Checkout] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    # Answers that no client should see: a broken connection, a 5xx that is not the clear 503, an unknown refusal.
    unclear: list[tuple[str, Answer]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    # Whether a connection may break, because a web process is being killed: no program can answer then.
    may_break: bool = False
    _turn: Iterator[int] = field(default_factory=count)
    _stop: threading.Event = field(default_factory=threading.Event)

    def send(self, user_id: str, path: str, body: object = None, *, key: str = "", role: str = "customer") -> Answer:
        """Sends one request to one of the web servers: POST with a body, GET without."""
        ports = self.ports
        connection = HTTPConnection(ADDRESS, ports[next(self._turn) % len(ports)], timeout=ANSWER_SECONDS)
        signed = token(user_id, role=role, secret=self.jwt_secret)
        headers = {"Authorization": f"Bearer {signed}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(method, f"/api/{path}", content, headers)
            got = connection.getresponse()
            received = json.loads(got.read() or b"null")
            return Answer(status=got.status, body=received, retry_after=got.headers["Retry-After"])
        except (OSError, HTTPException, ValueError) as error:
            return Answer(status=0, body=repr(error))
        finally:
            connection.close()

    def settle(self, user_id: str, path: str, body: object, *, key: str) -> tuple[Answer | None, int]:
        """Sends a request until it is answered for good, each time with the same key. Returns the attempts too."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for attempt in count(1):
            answer = self.send(user_id, path, body, key=key)
            self.statuses[answer.status] += 1
            in_flight = answer.status == 409 and answer.body["code"] == "request_in_progress"
            if answer.status not in (0, 503) and not in_flight:
                if answer.status >= 500:
                    self.unclear.append((path, answer))
                return answer, attempt
            if answer.status == 0:
                if not self.may_break:
                    self.unclear.append((path, answer))
            elif not answer.retry_after or "error" not in answer.body:
                self.unclear.append((path, answer))
            if time.monotonic() > deadline:
                break
            # A real client waits as long as Retry-After says. These are impatient, which is harder on the service.
            self._stop.wait(0.3)
            if self._stop.is_set():
                time.sleep(0.3)
        self.given_up.append(f"{user_id} {path}")
        return None, attempt

    def act(self) -> None:
        """Does what a customer at work does next."""
        self.check_out_once()

    def check_out_once(self) -> None:
        """A new customer makes an organization and orders a plan with a voucher."""
        name = f"s{uuid4().hex[:12]}"
        tenant_id = self.make_organization(name)
        if tenant_id is None:
            return
        code = SCARCE if next(self._turn) % SCARCE_EVERY == 0 else PLENTY
        body = {"tenant_id": tenant_id, "plan_id": "m", "apps": [], "addons": [], "promo_code": code}
        answer, attempts = self.settle(name, "billing/checkout", body, key=name)
        if answer is not None:
            self.settled.append(
                Checkout(
                    user_id=name,
                    tenant_id=tenant_id,
                    key=name,
                    body=body,
                    answer=answer,
                    attempts=attempts,
                    answered_at=time.monotonic(),
                )
            )

    def make_organization(self, name: str) -> str | None:
        """Makes the customer's organization, and returns its id.

        This request takes no key. After an unknown outcome the customer finds its address taken, by themselves.
        """
        made, attempts = self.settle(name, "tenant/orgs", {"slug": name, "name": name}, key="")
        if made is not None and made.status == 409 and attempts > 1:
            listed, _ = self.settle(name, "tenant/orgs", None, key="")
            if listed is not None and listed.status == 200 and listed.body:
                return str(listed.body[0]["id"])
        if made is not None and made.status in (200, 201):
            return str(made.body["id"])
        if made is not None:
            self.unclear.append(("tenant/orgs", made))
        return None

    @contextmanager
    def at_work(self, number: int = CUSTOMERS_AT_ONCE) -> Iterator[None]:
        """Keeps so many customers at work with short pauses. At the end each finishes its checkout."""
        self._stop.clear()
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(number)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in threads:
                each.join(PATIENCE_SECONDS + ANSWER_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            self.act()
            self._stop.wait(self.pause_seconds)

    def wait_for(self, more: int, *, seconds: float = 60) -> None:
        """Waits until so many more checkouts have succeeded."""
        wanted = len(self.succeeded()) + more
        deadline = time.monotonic() + seconds
        while len(self.succeeded()) < wanted:
            assert time.monotonic() < deadline, (self.statuses, self.unclear[-3:])
            time.sleep(0.05)

    def succeeded(self) -> list[Checkout]:
        return [each for each in list(self.settled) if each.answer.status == 200]

    def refused(self) -> list[Checkout]:
        return [each for each in list(self.settled) if each.answer.status != 200]

    def longest_gap(self, *, since: float, until: float) -> float:
        """Returns the longest time within the span in which no checkout succeeded."""
        moments = sorted(each.answered_at for each in self.succeeded() if since <= each.answered_at <= until)
        edges = [since, *moments, until]
        return max(later - earlier for earlier, later in pairwise(edges))

    def issue_vouchers(self) -> None:
        """Issues the voucher that is never exhausted, and the one that is."""
        for code, slots in ((PLENTY, 1_000_000), (SCARCE, SCARCE_SLOTS)):
            body = {"code": code, "credit_omr": 20, "max_redemptions": slots}
            answer = self.send("staff", "billing/vouchers/issue", body, role="sovereign-admin")
            assert answer.status in (200, 201), answer
