"""Runs calls in threads that start together, each with a database connection of its own."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from types import TracebackType
from typing import Generic, Self, TypeVar

from django.db import connection, connections

from billing.errors import DomainError

# lock_timeout and statement_timeout bound the waits in the database; this bounds all others.
THREAD_TIMEOUT_SECONDS = 60

T = TypeVar("T")


class Race(Generic[T]):
    """Calls in flight; `finish` waits for them. A refusal is an outcome; any other error fails the test."""

    def __init__(self, futures: Sequence[Future[T]]) -> None:
        self._futures = futures
        self.outcomes: list[T | DomainError] = []

    def finish(self) -> Self:
        errors: list[Exception] = []
        for future in self._futures:
            try:
                self.outcomes.append(future.result(THREAD_TIMEOUT_SECONDS))
            except DomainError as refusal:
                self.outcomes.append(refusal)
            except Exception as error:  # noqa: BLE001 - all errors are raised together below
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(self._futures)} threads failed", errors)
        return self

    @property
    def done(self) -> bool:
        """Returns whether every call has ended."""
        return all(future.done() for future in self._futures)

    @property
    def values(self) -> list[T]:
        """The return values of the calls that were not refused."""
        return [outcome for outcome in self.outcomes if not isinstance(outcome, DomainError)]

    @property
    def refusals(self) -> Counter[type[DomainError]]:
        """The number of refusals by class."""
        return Counter(type(outcome) for outcome in self.outcomes if isinstance(outcome, DomainError))


class ThreadGroup:
    """A fixed number of threads for several races; each keeps one connection until the end."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._start = Barrier(size, timeout=THREAD_TIMEOUT_SECONDS)
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
        """Start one call in every thread at the same moment, without waiting for the results."""
        assert len(calls) == self.size
        return self._race(calls)

    def race(self, calls: Sequence[Callable[[], T]]) -> Race[T]:
        """Start one call in every thread at the same moment, and wait for all of them."""
        return self.start(calls).finish()

    def _race(self, calls: Sequence[Callable[[], T]]) -> Race[T]:
        # Because of the barrier no thread takes two calls.
        return Race([self._threads.submit(self._wait_and_call, call) for call in calls])

    def _wait_and_call(self, call: Callable[[], T]) -> T:
        self._start.wait()
        return call()


def race(calls: Sequence[Callable[[], T]]) -> Race[T]:
    """Make the calls at the same moment, each in a thread with a connection of its own."""
    with ThreadGroup(len(calls)) as threads:
        return threads.race(calls)


@contextmanager
def in_background(call: Callable[[], T]) -> Iterator[Race[T]]:
    """Make one call in a thread, for a test that changes data while the call is in flight."""
    with ThreadGroup(1) as threads:
        yield threads.start([call])


def _connect() -> None:
    # Not from the pool, so that session settings and aborted transactions end with the thread.
    own = connections["default"].copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    connections["default"] = own
    connection.ensure_connection()


def _disconnect() -> None:
    connection.close()
    del connections["default"]
