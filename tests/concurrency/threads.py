"""Threads that start together, each with a database connection of its own."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from types import TracebackType
from typing import Generic, Self, TypeVar

from django.db import connection, connections

from billing.errors import DomainError

# Every wait in the database is bounded by lock_timeout and statement_timeout; this bounds the rest.
PATIENCE_SECONDS = 60

T = TypeVar("T")


class Race(Generic[T]):
    """Calls under way; `finish` waits for them. A refusal is an outcome, any other error fails the test."""

    def __init__(self, futures: Sequence[Future[T]]) -> None:
        self._futures = futures
        self.outcomes: list[T | DomainError] = []

    def finish(self) -> Self:
        errors: list[Exception] = []
        for future in self._futures:
            try:
                self.outcomes.append(future.result(PATIENCE_SECONDS))
            except DomainError as refusal:
                self.outcomes.append(refusal)
            except Exception as error:  # noqa: BLE001 - all of them are raised together below
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(self._futures)} threads failed", errors)
        return self

    @property
    def done(self) -> bool:
        """Whether every call has ended."""
        return all(future.done() for future in self._futures)

    @property
    def values(self) -> list[T]:
        """What the calls that were not refused returned."""
        return [outcome for outcome in self.outcomes if not isinstance(outcome, DomainError)]

    @property
    def refusals(self) -> Counter[type[DomainError]]:
        """How often each refusal came."""
        return Counter(type(outcome) for outcome in self.outcomes if isinstance(outcome, DomainError))


class ThreadGroup:
    """A fixed number of threads that race again and again, on a connection each from first to last."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._start = Barrier(size, timeout=PATIENCE_SECONDS)
        self._threads = ThreadPoolExecutor(size)

    def __enter__(self) -> Self:
        self._race([_connect] * self.size).finish()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._race([_disconnect] * self.size).finish()
        finally:
            self._threads.shutdown()

    def start(self, calls: Sequence[Callable[[], T]]) -> Race[T]:
        """Lets every thread make one of the calls, all at the same moment, and does not wait for them."""
        assert len(calls) == self.size
        return self._race(calls)

    def race(self, calls: Sequence[Callable[[], T]]) -> Race[T]:
        """Lets every thread make one of the calls, all at the same moment, and waits for all."""
        return self.start(calls).finish()

    def _race(self, calls: Sequence[Callable[[], T]]) -> Race[T]:
        # The barrier keeps a thread from taking two of the calls.
        return Race([self._threads.submit(self._together, call) for call in calls])

    def _together(self, call: Callable[[], T]) -> T:
        self._start.wait()
        return call()


def race(calls: Sequence[Callable[[], T]]) -> Race[T]:
    """Makes the calls at the same moment, each in a thread with a connection of its own."""
    with ThreadGroup(len(calls)) as crew:
        return crew.race(calls)


@contextmanager
def in_background(call: Callable[[], T]) -> Iterator[Race[T]]:
    """One call in a thread of its own, for a test that meanwhile moves something under it."""
    with ThreadGroup(1) as crew:
        yield crew.start([call])


def _connect() -> None:
    # Not one of the pool: what a test sets on it, or an abort leaves behind, ends with the thread.
    own = connections["default"].copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    connections["default"] = own
    connection.ensure_connection()


def _disconnect() -> None:
    connection.close()
    del connections["default"]
