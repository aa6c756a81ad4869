"""Blocks the leader of a batch until a chosen number of requests wait behind it, so that one batch takes them."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from billing.combining import Combiner

from billing import combining
from billing.models import Organization
from orders.models import Plan
from orders.use_cases.checkout.place_order import CheckoutRequest
from tests.concurrency.threads import THREAD_TIMEOUT_SECONDS
from tests.concurrency.wait_for import wait_until

AnyCombiner = Combiner[Any, Any]


class BlockedLeader:
    """A request that leads its kind until it is opened: later requests of the kind wait behind it."""

    def __init__(self, combiner: AnyCombiner, kind: Hashable) -> None:
        self._combiner = combiner
        self._kind = kind
        self._opened = Event()

    def wait_for(self, number: int) -> None:
        """Wait until exactly this number of requests wait behind the leader."""
        wait_until(lambda: count_waiters(self._combiner, self._kind) == number, f"{number} waiting requests")

    def open(self) -> None:
        self._opened.set()

    def lead(self) -> None:
        """Lead the kind until `open` is called."""
        self._combiner.do(self._kind, self, str)

    def block(self) -> None:
        assert self._opened.wait(THREAD_TIMEOUT_SECONDS)


def count_waiters(combiner: AnyCombiner, kind: Hashable) -> int:
    """Return the number of requests that wait for a batch of this kind; -1 if no leader is at work."""
    known = combiner._kinds.get(kind)
    return -1 if known is None else len(known.waiting)


@contextmanager
def block_leader(combiner: AnyCombiner, kind: Hashable) -> Iterator[BlockedLeader]:
    """Block the leader of a kind; no request gives up or starts a second batch while it is blocked."""
    leader, alone = BlockedLeader(combiner, kind), combiner._alone

    def block_or_do(request: Any) -> Any:
        return leader.block() if request is leader else alone(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combining, "PATIENCE_SECONDS", THREAD_TIMEOUT_SECONDS)
        patch.setattr(combining, "AT_ONCE", 1)
        patch.setattr(combiner, "_alone", block_or_do)
        thread = Thread(target=leader.lead)
        thread.start()
        wait_until(lambda: count_waiters(combiner, kind) == 0, "start of the blocked leader")
        try:
            yield leader
        finally:
            leader.open()
            thread.join(THREAD_TIMEOUT_SECONDS)
    assert combiner._kinds == {}


@contextmanager
def record_batches(combiner: AnyCombiner) -> Iterator[list[list[bool]]]:
    """Record the batches that the combiner executes: a list per batch, which says for each request if it was done."""
    batches: list[list[bool]] = []
    together = combiner._together

    def execute_and_record(requests: Sequence[Any]) -> Any:
        done: list[bool] = [False] * len(requests)
        batches.append(done)
        results = together(requests)
        done[:] = [each is not None for each in results]
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combiner, "_together", execute_and_record)
        yield batches


def request_of(organization: Organization, plan: Plan, code: str = "", *, key: str = "") -> CheckoutRequest:
    """Return a request to check out the plan; with an idempotency key it has a fingerprint."""
    return CheckoutRequest(
        tenant_id=organization.id,
        plan=plan.slug,
        promo_code=code,
        idempotency_key=key,
        fingerprint="body" if key else "",
    )
