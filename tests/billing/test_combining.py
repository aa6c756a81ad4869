"""What threads ask for at the same moment is done together: once each, and each is told his own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event

import psycopg
import pytest
from billing.combining import MOST, Combiner
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError

from billing import combining
from tests.billing.combining_work import KIND, PATIENCE_SECONDS, Asked, Work, at_once, names, told
from tests.concurrency.wait_for import wait_until


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    with at_once(1, monkeypatch) as work:
        yield work


@contextmanager
def asked_while_first_is_at_work(work: Work, others: Sequence[str], first: str = "first") -> Iterator[Asked]:
    """The others wait in this order; `first` goes on when the block is left, and all have ended then."""
    work.gates[first] = Event()
    with ThreadPoolExecutor(len(others) + 1) as threads:
        try:
            futures = {first: threads.submit(work.do, KIND, first)}
            wait_until(lambda: first in work.alone, "work")
            for place, each in enumerate(others, start=1):
                futures[each] = threads.submit(work.do, KIND, each)
                wait_until(partial(is_waited_by, work, place), f"waiting of {place}")
            yield futures
        finally:
            work.gates[first].set()


def is_waited_by(work: Work, number: int) -> bool:
    return work.waiting() == number


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_where_nobody_is_at_work_it_is_done_alone(work: Work) -> None:
    assert [work.do(KIND, "a"), work.do(KIND, "b")] == ["a alone", "b alone"]
    assert (work.alone, work.together) == (["a", "b"], [])


def test_whoever_comes_meanwhile_is_done_together_in_order_and_told_his_own(work: Work) -> None:
    with asked_while_first_is_at_work(work, names(5)) as futures:
        assert not any(future.done() for future in futures.values())
    assert told(futures) == {"first": "first alone"} | {each: f"{each} together" for each in names(5)}
    assert (work.alone, work.together) == (["first"], [names(5)])


def test_a_single_one_who_came_meanwhile_is_done_alone(work: Work) -> None:
    with asked_while_first_is_at_work(work, ["second"]) as futures:
        pass
    assert told(futures) == {"first": "first alone", "second": "second alone"}
    assert (work.alone, work.together) == (["first", "second"], [])


@pytest.mark.parametrize("number", [MOST - 1, MOST, MOST + 1, 2 * MOST + 3])
def test_no_more_than_the_most_are_done_together(work: Work, number: int) -> None:
    with asked_while_first_is_at_work(work, names(number)) as futures:
        pass
    assert told(futures).keys() == {"first", *names(number)}
    assert [len(batch) for batch in work.together if len(batch) > MOST] == []
    assert [*work.together, work.alone[1:]] == [
        *([names(number)[at : at + MOST] for at in range(0, number - 1, MOST)]),
        names(number)[-1:] if number % MOST == 1 else [],
    ]
    assert set(work.done.values()) == {1}


def test_who_comes_while_a_company_is_served_is_of_the_next(work: Work) -> None:
    work.gates["other-00"] = Event()
    with ThreadPoolExecutor(3) as threads:
        with asked_while_first_is_at_work(work, names(3)) as futures:
            work.gates["first"].set()
            wait_until(lambda: work.together, "work of the company")
            late = {each: threads.submit(work.do, KIND, each) for each in ("late-0", "late-1", "late-2")}
            wait_until(lambda: work.waiting() == 3, "waiting of the late")
            assert len(work.together) == 1
            work.gates["other-00"].set()
        assert told(futures | late)["late-1"] == "late-1 together"
    assert [sorted(batch) for batch in work.together] == [names(3), ["late-0", "late-1", "late-2"]]


def test_who_is_not_named_is_told_none_and_the_others_their_own(work: Work) -> None:
    work.unserved = {"other-00", "other-02"}
    with asked_while_first_is_at_work(work, names(4)) as futures:
        pass
    assert told(futures) == {
        "first": "first alone",
        "other-00": None,
        "other-01": "other-01 together",
        "other-02": None,
        "other-03": "other-03 together",
    }
    assert work.do(KIND, "other-00") is None


@pytest.mark.parametrize(
    "failure",
    [
        caused_by(IntegrityError(), psycopg.errors.CheckViolation()),
        caused_by(IntegrityError(), psycopg.errors.UniqueViolation()),
        caused_by(OperationalError(), psycopg.errors.LockNotAvailable()),
        caused_by(OperationalError(), psycopg.errors.DeadlockDetected()),
        caused_by(OperationalError(), psycopg.errors.QueryCanceled()),
        caused_by(DatabaseError(), psycopg.errors.InternalError_()),
    ],
    ids=lambda failure: type(failure.__cause__).__name__,
)
def test_a_refusal_by_the_server_sends_everybody_his_own_way(work: Work, failure: Exception) -> None:
    work.failure = failure
    with asked_while_first_is_at_work(work, names(3)) as futures:
        pass
    assert told(futures) == {"first": "first alone"} | dict.fromkeys(names(3))
    assert work.together == [names(3)]


@pytest.mark.parametrize(
    "failure",
    [
        caused_by(OperationalError(), psycopg.OperationalError("the connection is lost")),
        caused_by(OperationalError(), psycopg.errors.ConnectionFailure()),
        caused_by(OperationalError(), psycopg.errors.AdminShutdown()),
        caused_by(OperationalError(), psycopg.errors.CrashShutdown()),
        caused_by(InterfaceError(), psycopg.InterfaceError("the connection is closed")),
        OperationalError("without a cause"),
        ValueError("a mistake of ours"),
        MemoryError(),
    ],
    ids=lambda failure: type(failure.__cause__ or failure).__name__,
)
def test_where_the_outcome_is_unknown_everybody_is_told_so_and_nobody_is_done_again(
    work: Work, failure: Exception
) -> None:
    work.failure = failure
    with asked_while_first_is_at_work(work, names(4)) as futures:
        pass
    for each in names(4):
        error = futures[each].exception(PATIENCE_SECONDS)
        assert isinstance(error, OperationalError)
        assert error.__cause__ is failure
    assert futures["first"].result() == "first alone"
    assert work.done == Counter(["first", *names(4)])


class Interrupted(BaseException):
    """As KeyboardInterrupt and SystemExit, which no `except Exception` sees."""


def test_who_is_interrupted_at_work_lets_nobody_do_it_again(work: Work) -> None:
    work.failure = Interrupted()
    with asked_while_first_is_at_work(work, names(3)) as futures:
        pass
    failures = [futures[each].exception(PATIENCE_SECONDS) for each in names(3)]
    assert [type(failure) for failure in failures] == [Interrupted, OperationalError, OperationalError]


def test_answers_of_the_wrong_number_are_nobodys(work: Work) -> None:
    work.combiner = Combiner(alone=work._do_alone, together=lambda asked: ["one"])
    with asked_while_first_is_at_work(work, names(3)) as futures:
        pass
    assert {type(futures[each].exception()) for each in names(3)} == {OperationalError}


def test_an_error_of_one_alone_reaches_him_and_nobody_else(work: Work) -> None:
    with asked_while_first_is_at_work(work, names(3), first="fails-first") as futures:
        pass
    with pytest.raises(LookupError, match="fails-first"):
        futures.pop("fails-first").result()
    assert told(futures) == {each: f"{each} together" for each in names(3)}
    with pytest.raises(LookupError, match="fails again"):
        work.do(KIND, "fails again")
    assert work.do(KIND, "next") == "next alone"


def test_who_loses_patience_leaves_unserved_and_is_not_done_afterwards(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combining, "PATIENCE_SECONDS", 0.01)
    work.gates["first"] = Event()
    with ThreadPoolExecutor(4) as threads:
        try:
            first = threads.submit(work.do, KIND, "first")
            wait_until(lambda: "first" in work.alone, "work")
            left = [threads.submit(work.do, KIND, "leaves").result(PATIENCE_SECONDS) for _ in range(3)]
            assert left == [None] * 3
            assert not first.done()
        finally:
            work.gates["first"].set()
        assert first.result(PATIENCE_SECONDS) == "first alone"
    assert work.done == {"first": 1}


def test_who_was_taken_along_waits_for_the_end_whatever_his_patience(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Had he left, he might do a second time what is being done."""
    work.gates["other-00"] = Event()
    with asked_while_first_is_at_work(work, names(2)) as futures:
        work.gates["first"].set()
        wait_until(lambda: work.together, "work of the company")
        monkeypatch.setattr(combining, "PATIENCE_SECONDS", 0.01)
        third = ThreadPoolExecutor(1)
        # Patience is over for whoever comes now: more than that of him who was taken along.
        assert third.submit(work.do, KIND, "leaves").result(PATIENCE_SECONDS) is None
        third.shutdown()
        assert not futures["other-01"].done()
        work.gates["other-00"].set()
    assert told(futures)["other-01"] == "other-01 together"
    assert "leaves" not in work.done


def test_kinds_do_not_wait_for_each_other(work: Work) -> None:
    with asked_while_first_is_at_work(work, names(2)) as futures:
        assert work.do("another kind", "a") == "a alone"
        assert not any(future.done() for future in futures.values())
        assert work.waiting("another kind") == -1
    assert work.together == [names(2)]


def test_those_who_ask_for_equal_things_are_different_people(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked_while_first_is_at_work(work, ["same"]) as futures:
        monkeypatch.setattr(combining, "PATIENCE_SECONDS", 0.01)
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(work.do, KIND, "same").result(PATIENCE_SECONDS) is None
        assert work.waiting() == 1
    assert told(futures)["same"] == "same alone"
    assert work.done["same"] == 1


def test_who_finishes_in_vain_still_lets_the_others_pass(work: Work) -> None:
    def finish(told: str) -> str:
        raise LookupError(told)

    work.gates["first"] = Event()
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(work.do, KIND, "first")
        wait_until(lambda: "first" in work.alone, "work")
        failing = [threads.submit(work.combiner.do, KIND, each, finish) for each in names(4)]
        wait_until(lambda: work.waiting() == len(failing), "waiting")
        work.gates["first"].set()
        assert first.result(PATIENCE_SECONDS) == "first alone"
        assert [str(each.exception(PATIENCE_SECONDS)) for each in failing] == [
            f"{each} together" for each in names(4)
        ]
