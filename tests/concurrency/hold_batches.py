"""Holds requests back until as many wait as a test needs, so that they make one batch.

Only this module knows more of the group commit than `submit`: where a use case keeps its queue, and how many requests
wait in it. The queue that it puts there for a test runs one batch at a time, so that the waiters make exactly one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest

from billing.database.group_commit import GroupCommit
from billing.models import Organization
from orders.models import Plan
from orders.use_cases.checkout import batched_checkout
from orders.use_cases.checkout.place_order import CheckoutRequest
from promos.use_cases import redeem_code
from tests.concurrency.threads import THREAD_TIMEOUT_SECONDS
from tests.concurrency.wait_for import wait_until

# The queues of the service, each named by the module that holds it.
REDEMPTIONS = redeem_code
CHECKOUTS = batched_checkout

AnyGroup = GroupCommit[Any, Any]


class BlockedLeader:
    """The leader of a batch in flight: requests wait behind it until it is released."""

    def __init__(self, queue: ModuleType) -> None:
        self.is_in_flight = Event()
        self._released = Event()
        self._run_batch = _group_of(queue)._run_batch
        self.group: AnyGroup = GroupCommit(self._run)

    def wait_for(self, number: int) -> None:
        """Looks until so many requests wait."""
        wait_until(lambda: count_waiters(self.group) == number, f"waiting of {number} requests")

    def release(self) -> None:
        self._released.set()

    def _run(self, requests: Sequence[Any]) -> Sequence[Any]:
        if requests[0] is not self:
            return self._run_batch(requests)
        self.is_in_flight.set()
        assert self._released.wait(THREAD_TIMEOUT_SECONDS)
        return [None]


def count_waiters(group: AnyGroup) -> int:
    """Returns the number of requests that wait for the next batch."""
    return len(group._queue)


@contextmanager
def block_leader(queue: ModuleType) -> Iterator[BlockedLeader]:
    """A batch in flight, so that all further requests to the queue wait."""
    leader = BlockedLeader(queue)
    with _group_replaced(queue, leader.group):
        keeper = Thread(target=leader.group.submit, args=(leader,))
        keeper.start()
        assert leader.is_in_flight.wait(THREAD_TIMEOUT_SECONDS)
        try:
            yield leader
        finally:
            leader.release()
            keeper.join(THREAD_TIMEOUT_SECONDS)
    assert count_waiters(leader.group) == 0


@contextmanager
def record_batches(queue: ModuleType) -> Iterator[list[list[bool]]]:
    """The batches that the queue runs: for each, whether each of its requests was served."""
    batches: list[list[bool]] = []
    run_batch = _group_of(queue)._run_batch

    def run_and_record(requests: Sequence[Any]) -> Sequence[Any]:
        served = [False] * len(requests)
        batches.append(served)
        results = run_batch(requests)
        served[:] = [result is not None for result in results]
        return results

    with _group_replaced(queue, GroupCommit(run_and_record)):
        yield batches


def _group_of(queue: ModuleType) -> AnyGroup:
    group: AnyGroup = queue._group
    return group


@contextmanager
def _group_replaced(queue: ModuleType, group: AnyGroup) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "_group", group)
        yield


def request_of(organization: Organization, plan: Plan, code: str = "", *, key: str = "") -> CheckoutRequest:
    """A checkout of the plan; one under a key has a body."""
    return CheckoutRequest(
        tenant_id=organization.id,
        plan=plan.slug,
        promo_code=code,
        idempotency_key=key,
        fingerprint="body" if key else "",
    )
