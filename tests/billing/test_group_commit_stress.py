"""Many threads and many rounds: every request runs once, gets its own result, and no thread is left waiting."""

import sys
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
from django.db import IntegrityError

from billing.database.group_commit import MAX_BATCH, GroupCommit
from tests.billing.batch_recorder import BatchRecorder, result_of, submit_from_threads
from tests.concurrency.hold_batches import count_waiters

THREADS = 64


@pytest.fixture(params=[0.005, 0.000_01], ids=["usual switches", "many switches"])
def _switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sets how long a thread may compute before the next one does: a short time finds more interleavings."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_switching")
def test_every_request_runs_once_and_gets_its_own_result() -> None:
    recorder = BatchRecorder()
    group: GroupCommit[str, str] = GroupCommit(recorder.run_batch)
    outcomes = submit_from_threads(group, threads=THREADS, rounds=60)
    assert outcomes == {request: result_of(request) for request in outcomes}
    assert recorder.runs == Counter(outcomes.keys())
    assert max(len(batch) for batch in recorder.batches) > 1
    assert max(len(batch) for batch in recorder.batches) <= MAX_BATCH
    assert count_waiters(group) == 0


@pytest.mark.usefixtures("_switching")
def test_refused_batches_lose_no_request_and_hold_up_no_thread() -> None:
    recorder = BatchRecorder()
    refusal = IntegrityError()
    refusal.__cause__ = psycopg.errors.CheckViolation()
    recorder.failures = {f"{thread}-{turn}": refusal for thread in range(4) for turn in range(0, 60, 3)}
    group: GroupCommit[str, str] = GroupCommit(recorder.run_batch)
    outcomes = submit_from_threads(group, threads=THREADS, rounds=60)
    refused = {request for batch in recorder.batches if recorder.failures.keys() & set(batch) for request in batch}
    assert {request for request, result in outcomes.items() if result is None} == refused
    assert recorder.runs == Counter(outcomes.keys())
    assert group.submit("next") == result_of("next")


def test_a_single_thread_never_waits() -> None:
    recorder = BatchRecorder()
    group: GroupCommit[str, str] = GroupCommit(recorder.run_batch)
    submit_from_threads(group, threads=1, rounds=200)
    assert [len(batch) for batch in recorder.batches] == [1] * 200
    assert recorder.most_in_flight == 1
