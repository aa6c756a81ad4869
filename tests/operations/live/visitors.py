"""Customers who use the whole service in a fixed mix: orders by voucher and card, printed cards, top-ups, reads."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count, cycle
from uuid import uuid4

from tests.stripe_sandbox.sandbox_process import SandboxProcess

from .processes import ADDRESS, token
from .shoppers import ANSWER_SECONDS, PATIENCE_SECONDS, PLENTY, Answer, Shoppers

CARDS = {"name": "SOAK-1", "credit_omr": 5, "pattern": "####-####-####-####"}
WHY = {"reason": "for the soak"}
GENERATE_SECONDS = 120
# A voucher's 20 OMR less the 9 OMR of plan M.
LEFT_MINOR = 11_000
# Paid by card as a whole: no voucher, no credit.
CARD_PLAN = "s"
READS = ("billing/balance", "billing/invoices", "billing/subscription", "catalog/plans", "/shop")


@dataclass(kw_only=True)
class Visitors(Shoppers):
    """The customers, and what they were answered. Each act is of a new customer, except a read."""

    sandbox: SandboxProcess
    # The orders that were paid at Stripe, the cards that were redeemed, and the customers who topped up.
    paid: list[str] = field(default_factory=list)
    redeemed: list[str] = field(default_factory=list)
    topped_up: list[str] = field(default_factory=list)
    reads: int = 0
    # How many customers without a key learned from their balance that an unanswered top-up had worked.
    found_out: int = 0
    _cards: Iterator[str] = field(default_factory=lambda: iter(()))
    _acts: Iterator[int] = field(default_factory=count)
    _paths: Iterator[str] = field(default_factory=lambda: cycle(READS))

    def act(self) -> None:
        mix = 4 * [self.check_out_once] + 2 * [self.redeem_card] + [self.top_up] + 2 * [self.top_up_without_key]
        mix += 10 * [self.read]
        acts = [*mix, self.pay_by_card]
        try:
            # Neighbours of the list are not done together: 7 and 20 have no common divisor.
            acts[7 * next(self._acts) % len(acts)]()
        except Exception as error:  # noqa: BLE001 - a customer who stops would lighten the load unseen
            self.unclear.append(("act", Answer(status=0, body=repr(error))))

    def pay_by_card(self) -> None:
        """Orders without credit, and pays at Stripe."""
        name = f"k{uuid4().hex[:12]}"
        tenant_id = self.make_organization(name)
        if tenant_id is None:
            return
        body = {"tenant_id": tenant_id, "plan_id": CARD_PLAN, "apps": [], "addons": []}
        answer, _ = self.settle(name, "billing/checkout", body, key=name)
        if answer is None:
            return
        if answer.status != 200 or "session_url" not in answer.body:
            self.unclear.append(("pay by card", answer))
            return
        self.sandbox.session(answer.body["session_url"].rpartition("/")[2], "pay")
        self.paid.append(answer.body["order_id"])

    def redeem_card(self) -> None:
        """Redeems a printed card without an order. Another customer then tries the same card, and must be refused."""
        code = next(self._cards)
        for wanted in (200, 400):
            name = f"p{uuid4().hex[:12]}"
            answer, _ = self.settle(name, "billing/vouchers/redeem", {"code": code}, key=name)
            if answer is not None and answer.status != wanted:
                self.unclear.append((f"redeem {code}", answer))
            if answer is not None and answer.status == 200:
                self.redeemed.append(code)

    def top_up(self) -> None:
        """Redeems a voucher without an order."""
        name = f"t{uuid4().hex[:12]}"
        answer, _ = self.settle(name, "billing/vouchers/redeem", {"code": PLENTY}, key=name)
        if answer is not None and answer.status != 200:
            self.unclear.append(("top-up", answer))
        elif answer is not None:
            self.topped_up.append(name)

    def top_up_without_key(self) -> None:
        """Tops up, and after an answer that settles nothing looks at the balance, as `outcome_unknown` advises."""
        name = f"t{uuid4().hex[:12]}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = self.send(name, "billing/vouchers/redeem", {"code": PLENTY})
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.topped_up.append(name)
                return
            is_clear = (answer.status == 503 and answer.retry_after) or (answer.status == 0 and self.may_break)
            was_late = answer.status == 400 and answer.body["code"] == "promo_already_redeemed"
            if not is_clear and not was_late:
                self.unclear.append(("top-up without a key", answer))
                return
            balance, _ = self.settle(name, "billing/balance", None, key="")
            if balance is not None and balance.body["credit_minor"]:
                self.topped_up.append(name)
                self.found_out += 1
                return
        self.given_up.append(f"{name} top-up without a key")

    def read(self) -> None:
        """Reads what the newest customer sees. A balance that was answered is never seen older than that."""
        newest = next((each for each in reversed(self.settled[-10:]) if each.answer.status == 200), None)
        if newest is None:
            return
        path = next(self._paths)
        answer = self.read_page(path) if path.startswith("/") else self.settle(newest.user_id, path, None, key="")[0]
        self.reads += 1
        if answer is None:
            return
        is_stale = path == "billing/balance" and answer.status == 200 and answer.body["credit_minor"] != LEFT_MINOR
        if is_stale or answer.status not in (200, 503):
            self.unclear.append((path, answer))

    def read_page(self, path: str) -> Answer | None:
        """Reads a page of the shop, as a browser without a session does."""
        connection = HTTPConnection(ADDRESS, self.ports[0], timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path, headers={"Accept": "text/html"})
            got = connection.getresponse()
            answer = Answer(status=got.status, body=got.read()[:200], retry_after=got.headers["Retry-After"])
        except (OSError, HTTPException) as error:
            return None if self.may_break else Answer(status=0, body=repr(error))
        finally:
            connection.close()
        self.statuses[answer.status] += 1
        return answer

    def issue_cards(self, size: int) -> None:
        """Takes a batch from its draft to its activation, and exports its codes as a printer gets them."""
        batch = self._staff("noor", "billing/batches", {**CARDS, "size": size})
        page = f"billing/batches/{batch['id']}"
        self._staff("salma", f"{page}/approve", WHY)
        self._staff("noor", f"{page}/generate", WHY)
        deadline = time.monotonic() + GENERATE_SECONDS
        while self.send("noor", page, role="sovereign-admin").body["generated"] < size:
            assert time.monotonic() < deadline, "the worker generates no cards"
            time.sleep(0.5)
        self._staff("noor", f"{page}/release", WHY)
        self._staff("noor", f"{page}/activate", WHY)
        self._cards = iter(self._export(f"/api/{page}/export"))

    def _export(self, path: str) -> list[str]:
        connection = HTTPConnection(ADDRESS, self.ports[0], timeout=ANSWER_SECONDS)
        headers = {
            "Authorization": f"Bearer {token('noor', role='sovereign-admin')}",
            "Content-Type": "application/json",
        }
        connection.request("POST", path, b'{"reason": "for the printer"}', headers)
        lines = connection.getresponse().read().decode("utf-8-sig").splitlines()
        connection.close()
        return [row["code"] for row in csv.DictReader(lines)]

    def _staff(self, user_id: str, path: str, body: object) -> dict[str, str]:
        answer = self.send(user_id, path, body, role="sovereign-admin")
        assert answer.status in (200, 201), answer
        return dict(answer.body)
