"""A job that another job adds exists exactly when that one's change is committed."""

import asyncio
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.jobs import enqueue, enqueue_once
from config import worker

pytestmark = pytest.mark.django_db(transaction=True)


class Undone(Exception):
    pass


def run_in_worker(job: Callable[[], None]) -> None:
    """Runs it in a thread of a worker, whose connector serves the app meanwhile."""

    async def run() -> None:
        async with app.open_async():
            await asyncio.to_thread(job_then_close)

    def job_then_close() -> None:
        try:
            job()
        finally:
            connection.close()

    with app.replace_connector(worker.create_worker_connector()):
        asyncio.run(run())


def count_jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name="mirror_balance").count()


def count_jobs_elsewhere() -> int:
    """Counts over a connection of its own, as another worker does."""
    counted: list[int] = []

    def count() -> None:
        counted.append(count_jobs())
        connection.close()

    thread = Thread(target=count)
    thread.start()
    thread.join()
    return counted[0]


def add_job() -> None:
    enqueue("mirror_balance")


def add_job_once() -> None:
    enqueue_once("mirror_balance", key="mirror_balance")


@pytest.mark.parametrize("add", [add_job, add_job_once])
def test_a_job_does_not_run_before_the_change_that_needs_it(add: Callable[[], None]) -> None:
    seen: list[int] = []

    def job() -> None:
        with transaction.atomic():
            add()
            seen.append(count_jobs_elsewhere())
        seen.append(count_jobs_elsewhere())

    run_in_worker(job)
    assert seen == [0, 1]


@pytest.mark.parametrize("add", [add_job, add_job_once])
def test_a_job_of_a_change_that_was_rolled_back_does_not_run(add: Callable[[], None]) -> None:
    def job() -> None:
        with transaction.atomic():
            add()
            raise Undone

    with pytest.raises(Undone):
        run_in_worker(job)
    assert count_jobs() == 0


def test_a_worker_adds_a_job_once_while_another_one_waits() -> None:
    def job() -> None:
        with transaction.atomic():
            add_job_once()
        with transaction.atomic():
            add_job_once()
            assert count_jobs() == 1

    run_in_worker(job)
    assert count_jobs() == 1


def test_a_job_keeps_the_queue_and_priority_of_its_task() -> None:
    enqueue("send_sign_in_code", user_id="u")
    job = ProcrastinateJob.objects.get(task_name="send_sign_in_code")
    task = app.tasks["send_sign_in_code"]
    assert (job.queue_name, job.priority) == (task.queue, task.priority)
