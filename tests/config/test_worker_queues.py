"""Every job's queue has a worker of its own, with enough threads and connections."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from structlog.contextvars import get_contextvars

from config.metrics.worker_server import serve_metrics
from config.parts import database
from config.queue_worker import ORIGIN, QueueWorker
from config.worker import JOB_CONNECTIONS, JOB_THREADS, QUEUES
from tests.config.test_connections import OF_A_WORKER

BUILT_IN = {"builtin"}


def test_every_task_is_in_a_queue_that_a_worker_runs() -> None:
    used = {task.queue for task in app.tasks.values()} - BUILT_IN
    assert used == {queue.name for queue in QUEUES}


def test_the_operators_book_lists_each_queue() -> None:
    book = (Path(__file__).resolve().parents[2] / "deploy/README.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \|", book, re.MULTILINE)
    assert sorted(listed) == sorted((queue.name, str(queue.concurrency)) for queue in QUEUES)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("flood", "first"),
    [
        ("settle_stripe_event", "deliver_events"),
        ("settle_stripe_event", "receive_events"),
        ("settle_stripe_event", "deliver_webhooks"),
        ("settle_stripe_event", "release_abandoned_checkouts"),
        ("renew_subscription", "sweep_payments"),
        ("send_expiry_reminder", "send_sign_in_code"),
    ],
)
def test_a_flood_of_jobs_does_not_delay_what_cannot_wait(flood: str, first: str) -> None:
    for name in (flood, flood, first):
        app.configure_task(name).defer()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        queues = [app.tasks[first].queue]
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(%s, %s)", [queues, cursor.fetchone()[0]])
        assert cursor.fetchone() == (first,)


def test_no_job_waits_for_a_thread() -> None:
    assert sum(queue.concurrency for queue in QUEUES) == JOB_THREADS


def test_a_worker_opens_no_more_connections_than_stated() -> None:
    procrastinates_pool, listening = 4, sum(queue.listens for queue in QUEUES)
    worker = procrastinates_pool + listening + JOB_CONNECTIONS + database.LOCK_CONNECTIONS
    assert worker == OF_A_WORKER


def test_rounds_begin_as_often_as_they_are_meant_to() -> None:
    """The sixth field of a schedule is seconds: a first field of */20 would be one minute of twenty."""
    rounds = {"release_abandoned_checkouts": 10, "deliver_events": 20, "receive_events": 20, "deliver_webhooks": 20}
    found = {}
    for (name, _), periodic in app.periodic_registry.periodic_tasks.items():
        if name in rounds:
            schedule = periodic.croniter
            schedule.set_current(1_800_000_000)
            first, second = schedule.get_next(ret_type=float), schedule.get_next(ret_type=float)
            found[name] = second - first
    assert found == rounds


def test_a_port_that_is_taken_ends_the_worker_with_a_sentence(settings: Any) -> None:
    with socket.create_server(("", 0)) as other:
        settings.METRICS_PORT, settings.METRICS_TOKEN = other.getsockname()[1], "t" * 32
        with pytest.raises(SystemExit, match=rf"^METRICS_PORT {settings.METRICS_PORT} cannot be opened: .+"):
            serve_metrics()


def test_a_job_runs_without_its_origin_and_its_lines_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker without traces runs the jobs of a web server with traces."""
    seen: dict[str, Any] = {}

    async def process(self: Worker, context: JobContext) -> None:
        seen.update(arguments=context.job.task_kwargs, origin=ORIGIN.get(), log=get_contextvars())

    monkeypatch.setattr(Worker, "_process_job", process)
    arguments = {"order_id": "1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    job = Job(id=7, queue="mail", lock=None, queueing_lock=None, task_name="send_mail", task_kwargs={**arguments})
    context = JobContext(app=app, job=job, start_timestamp=0, abort_reason=lambda: None)
    asyncio.run(QueueWorker(app=app)._process_job(context))
    assert seen == {"arguments": {"order_id": "1"}, "origin": arguments["traceparent"], "log": {"job_id": 7}}
