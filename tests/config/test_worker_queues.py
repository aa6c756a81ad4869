"""Every job's queue has a worker of its own, with enough threads and connections."""

from procrastinate.contrib.django import app

from config.parts import database
from config.worker import JOB_CONNECTIONS, JOB_THREADS, QUEUES
from tests.config.test_connections import OF_A_WORKER

BUILT_IN = {"builtin"}


def test_every_task_is_in_a_queue_that_a_worker_runs() -> None:
    used = {task.queue for task in app.tasks.values()} - BUILT_IN
    assert used == {queue.name for queue in QUEUES}


def test_no_job_waits_for_a_thread() -> None:
    assert sum(queue.concurrency for queue in QUEUES) == JOB_THREADS


def test_a_worker_opens_no_more_connections_than_stated() -> None:
    procrastinates_pool, listening = 4, sum(queue.listens for queue in QUEUES)
    worker = procrastinates_pool + listening + JOB_CONNECTIONS + database.LOCK_CONNECTIONS
    assert worker == OF_A_WORKER
