"""How many statements of a kind are under way at once, and that nobody is lost between them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from time import sleep

import pytest
from billing.combining import ENOUGH, MOST, Combiner

from billing import combining
from tests.billing.combining_work import KIND, PATIENCE_SECONDS, WORK_SECONDS, Work, ask_many, at_once, names, told
from tests.concurrency.wait_for import wait_until


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    with at_once(2, monkeypatch) as work:
        yield work


def test_a_company_that_waits_begins_beside_the_one_at_work_and_is_told_first(work: Work) -> None:
    work.gates["first"] = Event()
    with ThreadPoolExecutor(ENOUGH + 1) as threads:
        try:
            first = threads.submit(work.do, KIND, "first")
            wait_until(lambda: "first" in work.alone, "work")
            early = [threads.submit(work.do, KIND, each) for each in names(ENOUGH - 1)]
            wait_until(lambda: work.waiting() == ENOUGH - 1, "waiting of all but one")
            assert not work.together
            last = threads.submit(work.do, KIND, "last")
            outcomes = [each.result(PATIENCE_SECONDS) for each in [*early, last]]
            assert not first.done()
        finally:
            work.gates["first"].set()
        assert first.result(PATIENCE_SECONDS) == "first alone"
    assert sorted(outcomes, key=str) == ["last together", *(f"{each} together" for each in names(ENOUGH - 1))]
    assert [sorted(batch) for batch in work.together] == [["last", *names(ENOUGH - 1)]]


def test_fewer_than_a_company_wait_for_the_other_statement(work: Work) -> None:
    work.gates = {each: Event() for each in ("first", *names(ENOUGH))}
    late = [f"late-{number}" for number in range(ENOUGH - 1)]
    with ThreadPoolExecutor(3 * ENOUGH) as threads:
        try:
            futures = {"first": threads.submit(work.do, KIND, "first")}
            wait_until(lambda: "first" in work.alone, "work")
            futures |= {each: threads.submit(work.do, KIND, each) for each in names(ENOUGH)}
            wait_until(lambda: work.together, "a second statement")
            futures |= {each: threads.submit(work.do, KIND, each) for each in late}
            wait_until(lambda: work.waiting() == len(late), "waiting of the late")
            for each in names(ENOUGH):
                work.gates[each].set()
            assert told({each: futures[each] for each in names(ENOUGH)}).keys() == set(names(ENOUGH))
            assert work.waiting() == len(late)
            assert len(work.together) == 1
        finally:
            for gate in work.gates.values():
                gate.set()
        assert told(futures)["late-0"] == "late-0 together"
    assert [len(batch) for batch in work.together] == [ENOUGH, len(late)]
    assert set(work.done.values()) == {1}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_many_threads_and_rounds_everything_is_done_once_and_told_to_who_asked(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with at_once(number, monkeypatch) as work:
        outcomes = ask_many(work, threads=40, rounds=100)
        assert work.done == Counter(outcomes.keys())
        assert set(work.done.values()) == {1}
        wrong = {each for each, outcome in outcomes.items() if outcome not in (f"{each} alone", f"{each} together")}
        assert wrong == set()
        assert any(len(batch) > 1 for batch in work.together)
        assert max(len(batch) for batch in work.together) <= MOST


@pytest.mark.parametrize("number", [1, 2])
def test_patience_ends_in_the_midst_and_nobody_is_lost_or_done_twice(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A patience about as long as the work takes: some leave, some are taken just then."""
    with at_once(number, monkeypatch) as work:
        monkeypatch.setattr(combining, "PATIENCE_SECONDS", 0.000_2)
        outcomes = ask_many(work, threads=24, rounds=150)
        assert {each: outcome for each, outcome in outcomes.items() if outcome is not None}.keys() == work.done.keys()
        assert set(work.done.values()) == {1}


@pytest.mark.parametrize("number", [1, 2])
def test_a_kind_is_done_by_no_more_at_a_time(number: int) -> None:
    lock = Lock()
    at_work: Counter[str] = Counter()
    levels: set[int] = set()

    def work() -> None:
        with lock:
            at_work[KIND] += 1
            levels.add(at_work[KIND])
        sleep(WORK_SECONDS)
        with lock:
            at_work[KIND] -= 1

    def alone(asked: int) -> int:
        work()
        return asked

    def together(asked: Sequence[int]) -> list[int]:
        work()
        return list(asked)

    combiner = Combiner(alone=alone, together=together)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(32) as threads:
        patch.setattr(combining, "PATIENCE_SECONDS", PATIENCE_SECONDS)
        patch.setattr(combining, "AT_ONCE", number)
        asked = range(2_000)
        assert list(threads.map(lambda each: combiner.do(KIND, each, int), asked)) == list(asked)
    assert max(levels) == number
    assert combiner._kinds == {}
