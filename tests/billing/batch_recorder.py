"""A `run_batch` for tests of the group commit: it records every batch, and a gate can hold one in flight."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from time import sleep

from billing.database.group_commit import GroupCommit
from tests.concurrency.hold_batches import count_waiters
from tests.concurrency.wait_for import wait_until

PATIENCE_SECONDS = 30
# A batch sleeps this long, so that other threads run, as they do while a statement is executed.
BATCH_SECONDS = 0.000_2


class BatchRecorder:
    """Runs batches and records them.

    A batch whose first request has a gate waits there. A request in `unserved` gets None. A batch with a request in
    `failures` raises that.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.unserved: set[str] = set()
        self.failures: dict[str, BaseException] = {}
        self.gates: dict[str, Event] = {}
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = Lock()

    def run_batch(self, requests: Sequence[str]) -> list[str | None]:
        with self._lock:
            self.batches.append(list(requests))
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            sleep(BATCH_SECONDS)
            gate = self.gates.get(requests[0])
            assert gate is None or gate.wait(PATIENCE_SECONDS)
            failures = [self.failures[each] for each in requests if each in self.failures]
            if failures:
                raise failures[0]
            return [None if each in self.unserved else result_of(each) for each in requests]
        finally:
            with self._lock:
                self._in_flight -= 1

    @property
    def runs(self) -> Counter[str]:
        """Return how often each request was in a batch."""
        return Counter(each for batch in self.batches for each in batch)


def result_of(request: str) -> str:
    return f"result of {request}"


def names(number: int) -> list[str]:
    return [f"request-{position:02}" for position in range(number)]


def results(futures: dict[str, Future[str | None]]) -> dict[str, str | None]:
    return {request: future.result(PATIENCE_SECONDS) for request, future in futures.items()}


@contextmanager
def waiting_behind(
    first: str, waiters: Sequence[str], *, recorder: BatchRecorder, group: GroupCommit[str, str]
) -> Iterator[dict[str, Future[str | None]]]:
    """Keep a batch of `first` in flight until the block ends, and queue the waiters behind it in this order."""
    recorder.gates[first] = Event()
    with ThreadPoolExecutor(len(waiters) + 1) as threads:
        try:
            futures = {first: threads.submit(group.submit, first)}
            wait_until(lambda: [first] in recorder.batches, "a batch in flight")
            before = count_waiters(group)
            for position, request in enumerate(waiters, start=1):
                futures[request] = threads.submit(group.submit, request)
                _wait_for_waiters(group, before + position)
            yield futures
        finally:
            recorder.gates[first].set()


def _wait_for_waiters(group: GroupCommit[str, str], number: int) -> None:
    wait_until(lambda: count_waiters(group) == number, f"waiting of {number} requests")


def submit_from_threads(group: GroupCommit[str, str], *, threads: int, rounds: int) -> dict[str, str | None]:
    """Submit `rounds` requests from each thread, and return each request's result. Fail if a thread never returns."""
    outcomes: dict[str, str | None] = {}
    guard = Lock()

    def submit_all(thread: int) -> None:
        for turn in range(rounds):
            request = f"{thread}-{turn}"
            result = group.submit(request)
            with guard:
                outcomes[request] = result

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(submit_all, thread) for thread in range(threads)]:
            future.result(PATIENCE_SECONDS)
    assert len(outcomes) == threads * rounds
    return outcomes
