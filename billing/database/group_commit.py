"""Group commit: requests of one process that arrive together share one statement and one commit.

The round trip, the commit and the contended row cost more than the work itself, and a batch pays for them once. The
technique is flat combining (Hendler, Incze, Shavit and Tzafrir, "Flat Combining and the Synchronization-Parallelism
Tradeoff", SPAA 2010), applied to statements instead of a data structure:

- A thread that finds no batch in flight leads a batch of one immediately. So a single request never waits.
- A thread that finds one becomes a *waiter* in the queue.
- When a batch returns, its *leader* wakes the batch's waiters, and the first waiter of the queue leads the next
  batch: the whole queue, up to `MAX_BATCH`.

A batch runs in a separate transaction, and does only what needs no wait for a lock of a single customer. A request
that the batch could not serve gets None, and its thread continues alone: it finds out why, and may retry outside a
batch. If the database refuses a whole batch, all of its requests get None. So no request makes another one fail.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

import psycopg
from django.db import OperationalError

Request = TypeVar("Request")
Result = TypeVar("Result")

MAX_BATCH = 32


@dataclass(slots=True, eq=False)
class _Waiter(Generic[Request, Result]):
    """A request in the queue. `wake` is released when it has its outcome, or when its thread must lead `batch`."""

    request: Request
    wake: Lock = field(default_factory=Lock)
    batch: "list[_Waiter[Request, Result]] | None" = None
    result: Result | None = None
    error: BaseException | None = None


class GroupCommit(Generic[Request, Result]):
    """Runs requests in batches.

    Args: run_batch: runs the requests that it can, in a separate transaction, and returns a result or None for each,
    in their order.
    """

    def __init__(self, run_batch: Callable[[Sequence[Request]], Sequence[Result | None]]) -> None:
        self._run_batch = run_batch
        self._lock = Lock()
        self._in_flight = False
        self._queue: deque[_Waiter[Request, Result]] = deque()

    def submit(self, request: Request) -> Result | None:
        """Runs the request in a batch. Returns None if the batch did nothing for it.

        Do not call it inside a transaction: the batch runs in another one.

        Raises: OperationalError where the connection was lost and the outcome is unknown.
        """
        waiter: _Waiter[Request, Result] = _Waiter(request)
        with self._lock:
            if self._in_flight:
                waiter.wake.acquire()
                self._queue.append(waiter)
            else:
                self._in_flight = True
                waiter.batch = [waiter]
        if waiter.batch is None:
            waiter.wake.acquire()
        if waiter.batch is not None:
            self._lead(waiter.batch)
        if waiter.error is not None:
            raise OperationalError("the outcome is unknown: the connection was lost") from waiter.error
        return waiter.result

    def _lead(self, batch: "list[_Waiter[Request, Result]]") -> None:
        leader = batch[0]
        try:
            results = self._run_batch([waiter.request for waiter in batch])
            for waiter, result in zip(batch, results, strict=True):
                waiter.result = result
        except BaseException as error:
            if not is_refusal(error):
                for waiter in batch:
                    waiter.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._start_next_batch()
            for waiter in batch:
                if waiter is not leader:
                    waiter.wake.release()

    def _start_next_batch(self) -> None:
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
            self._in_flight = bool(batch)
        if batch:
            batch[0].batch = batch
            batch[0].wake.release()


def is_refusal(error: BaseException) -> bool:
    """Returns whether the server refused the statement, so that it committed nothing.

    SQLSTATE class 08 is a lost connection, 57P0x a server that shuts down: both may reach a client after the commit.
    So may a PANIC and a FATAL of any state: a server whose disk fails during the commit ends with a PANIC, and may
    find the commit in its log when it starts again. A domain error may wrap the server's error, so the chain of
    causes is searched for it.
    """
    cause = error.__cause__
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__
    if cause is None or cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P")):
        return False
    return cause.diag.severity_nonlocalized not in ("FATAL", "PANIC")
