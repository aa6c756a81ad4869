"""Requests that arrive while a batch is in flight share the next one: each runs once, and gets its own result."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError

from billing.database.group_commit import MAX_BATCH, GroupCommit
from billing.errors import Busy
from tests.billing.batch_recorder import (
    PATIENCE_SECONDS,
    BatchRecorder,
    names,
    result_of,
    results,
    waiting_behind,
)
from tests.concurrency.hold_batches import count_waiters
from tests.concurrency.wait_for import wait_until

Group = GroupCommit[str, str]


@pytest.fixture
def recorder() -> BatchRecorder:
    return BatchRecorder()


@pytest.fixture
def group(recorder: BatchRecorder) -> Group:
    return GroupCommit(recorder.run_batch)


class PanicAtCommit(psycopg.errors.DiskFull):
    """The last words of a server that could not write its log during a commit; the commit may have been written."""

    @property
    def diag(self) -> Any:
        return SimpleNamespace(severity_nonlocalized="PANIC", constraint_name=None)


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def each_served(requests: Sequence[str]) -> dict[str, str]:
    return {request: result_of(request) for request in requests}


def test_a_single_request_is_a_batch_of_one_at_once(group: Group, recorder: BatchRecorder) -> None:
    assert [group.submit("a"), group.submit("b")] == [result_of("a"), result_of("b")]
    assert recorder.batches == [["a"], ["b"]]


def test_waiters_share_the_next_batch_in_their_order_and_each_gets_its_own_result(
    group: Group, recorder: BatchRecorder
) -> None:
    with waiting_behind("first", names(5), recorder=recorder, group=group) as futures:
        assert not any(future.done() for future in futures.values())
    assert results(futures) == each_served(["first", *names(5)])
    assert recorder.batches == [["first"], names(5)]


def test_a_single_waiter_is_a_batch_of_one(group: Group, recorder: BatchRecorder) -> None:
    with waiting_behind("first", ["second"], recorder=recorder, group=group) as futures:
        pass
    assert results(futures) == each_served(["first", "second"])
    assert recorder.batches == [["first"], ["second"]]


@pytest.mark.parametrize("number", [MAX_BATCH - 1, MAX_BATCH, MAX_BATCH + 1, 2 * MAX_BATCH + 3])
def test_a_batch_has_at_most_max_batch_requests_and_the_queue_is_emptied_in_order(
    group: Group, recorder: BatchRecorder, number: int
) -> None:
    with waiting_behind("first", names(number), recorder=recorder, group=group) as futures:
        pass
    assert results(futures) == each_served(["first", *names(number)])
    waiters = names(number)
    assert recorder.batches == [
        ["first"],
        *(waiters[start : start + MAX_BATCH] for start in range(0, number, MAX_BATCH)),
    ]


def test_a_request_that_arrives_while_a_batch_runs_is_of_the_batch_after_it(
    group: Group, recorder: BatchRecorder
) -> None:
    recorder.gates["request-00"] = Event()
    with ThreadPoolExecutor(3) as threads:
        with waiting_behind("first", names(3), recorder=recorder, group=group) as futures:
            recorder.gates["first"].set()
            wait_until(lambda: names(3) in recorder.batches, "the second batch")
            late = {each: threads.submit(group.submit, each) for each in ("late-0", "late-1", "late-2")}
            wait_until(lambda: count_waiters(group) == 3, "waiting of the late requests")
            assert len(recorder.batches) == 2
            recorder.gates["request-00"].set()
        assert results(futures | late) == each_served(["first", *names(3), *late])
    assert [sorted(batch) for batch in recorder.batches] == [["first"], names(3), sorted(late)]


def test_a_request_that_the_batch_does_not_serve_gets_none_and_the_others_their_results(
    group: Group, recorder: BatchRecorder
) -> None:
    recorder.unserved = {"request-00", "request-02"}
    with waiting_behind("first", names(4), recorder=recorder, group=group) as futures:
        pass
    assert results(futures) == {
        "first": result_of("first"),
        "request-00": None,
        "request-01": result_of("request-01"),
        "request-02": None,
        "request-03": result_of("request-03"),
    }
    assert group.submit("request-00") is None


@pytest.mark.parametrize(
    "failure",
    [
        caused_by(IntegrityError(), psycopg.errors.CheckViolation()),
        caused_by(IntegrityError(), psycopg.errors.UniqueViolation()),
        caused_by(OperationalError(), psycopg.errors.LockNotAvailable()),
        caused_by(OperationalError(), psycopg.errors.DeadlockDetected()),
        caused_by(OperationalError(), psycopg.errors.QueryCanceled()),
        caused_by(DatabaseError(), psycopg.errors.InternalError_()),
        caused_by(Busy(), caused_by(IntegrityError(), psycopg.errors.CheckViolation())),
    ],
    ids=lambda failure: type(failure.__cause__).__name__,
)
def test_where_the_server_refuses_a_batch_each_of_its_requests_gets_none(
    group: Group, recorder: BatchRecorder, failure: Exception
) -> None:
    recorder.failures["request-01"] = failure
    with waiting_behind("first", names(3), recorder=recorder, group=group) as futures:
        pass
    assert results(futures) == {"first": result_of("first")} | dict.fromkeys(names(3))
    assert recorder.batches == [["first"], names(3)]
    assert group.submit("request-01") is None
    assert group.submit("next") == result_of("next")


@pytest.mark.parametrize(
    "failure",
    [
        caused_by(OperationalError(), psycopg.OperationalError("the connection is lost")),
        caused_by(OperationalError(), psycopg.errors.ConnectionFailure()),
        caused_by(OperationalError(), psycopg.errors.AdminShutdown()),
        caused_by(OperationalError(), psycopg.errors.CrashShutdown()),
        caused_by(OperationalError(), PanicAtCommit()),
        caused_by(InterfaceError(), psycopg.InterfaceError("the connection is closed")),
        OperationalError("without a cause"),
        ValueError("a mistake of ours"),
        MemoryError(),
        caused_by(Busy(), caused_by(OperationalError(), psycopg.errors.AdminShutdown())),
    ],
    ids=lambda failure: type(failure.__cause__ or failure).__name__,
)
def test_where_the_outcome_is_unknown_each_request_fails_and_none_runs_again(
    group: Group, recorder: BatchRecorder, failure: Exception
) -> None:
    recorder.failures["request-01"] = failure
    with waiting_behind("first", names(4), recorder=recorder, group=group) as futures:
        pass
    for request in names(4):
        error = futures[request].exception(PATIENCE_SECONDS)
        assert isinstance(error, OperationalError)
        assert error.__cause__ is failure
    assert futures["first"].result() == result_of("first")
    assert recorder.runs == Counter(["first", *names(4)])
    with pytest.raises(OperationalError):
        group.submit("request-01")
    assert group.submit("next") == result_of("next")


class Interrupted(BaseException):
    """As KeyboardInterrupt and SystemExit, which no `except Exception` sees."""


def test_where_the_leader_is_interrupted_its_waiters_fail_and_later_requests_run(
    group: Group, recorder: BatchRecorder
) -> None:
    recorder.failures["request-00"] = Interrupted()
    with waiting_behind("first", names(MAX_BATCH + 2), recorder=recorder, group=group) as futures:
        pass
    of_batch, after_it = names(MAX_BATCH), names(MAX_BATCH + 2)[MAX_BATCH:]
    failures = [futures[request].exception(PATIENCE_SECONDS) for request in of_batch]
    assert [type(failure) for failure in failures] == [Interrupted, *[OperationalError] * (MAX_BATCH - 1)]
    assert results({request: futures[request] for request in after_it}) == each_served(after_it)
    assert recorder.runs == Counter(["first", *names(MAX_BATCH + 2)])
    assert group.submit("next") == result_of("next")


def test_an_interrupted_batch_of_one_leaves_the_queue_open(group: Group, recorder: BatchRecorder) -> None:
    recorder.failures["alone"] = Interrupted()
    with pytest.raises(Interrupted):
        group.submit("alone")
    assert group.submit("next") == result_of("next")


def test_a_wrong_number_of_results_is_an_unknown_outcome_for_all() -> None:
    gate, recorder = Event(), BatchRecorder()

    def one_result(requests: Sequence[str]) -> Sequence[str | None]:
        return recorder.run_batch(requests)[:1]

    group: Group = GroupCommit(one_result)
    with waiting_behind("first", names(3), recorder=recorder, group=group) as futures:
        gate.set()
    assert {type(futures[request].exception(PATIENCE_SECONDS)) for request in names(3)} == {OperationalError}
    assert futures["first"].result() == result_of("first")


def test_two_queues_do_not_wait_for_each_other_or_mix(group: Group, recorder: BatchRecorder) -> None:
    other = BatchRecorder()
    other_group: Group = GroupCommit(other.run_batch)
    with waiting_behind("first", names(2), recorder=recorder, group=group) as futures:
        assert other_group.submit("a") == result_of("a")
        assert not any(future.done() for future in futures.values())
    assert (recorder.batches, other.batches) == ([["first"], names(2)], [["a"]])


def test_equal_requests_are_different_requests(group: Group, recorder: BatchRecorder) -> None:
    with ThreadPoolExecutor(2) as threads:
        with waiting_behind("first", [], recorder=recorder, group=group):
            twins = [threads.submit(group.submit, "same") for _ in range(2)]
            wait_until(lambda: count_waiters(group) == 2, "waiting of both")
        assert [twin.result(PATIENCE_SECONDS) for twin in twins] == [result_of("same")] * 2
    assert recorder.batches == [["first"], ["same", "same"]]


def test_it_works_in_a_forked_process_and_in_its_parent(group: Group) -> None:
    """As a worker that the server forks after it has loaded the application."""
    assert group.submit("before") == result_of("before")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if group.submit("in the child") == result_of("in the child") else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert group.submit("after") == result_of("after")
