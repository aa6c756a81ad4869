"""Workers of several queues in one process, which share what procrastinate does for each worker by itself.

Each of its workers sends a heartbeat, looks for due jobs, and adds every periodic job. With a worker for each queue,
an idle process would send ten transactions a second. Here one statement every few seconds keeps all workers alive and
wakes those whose queue has a due job, and the process adds each periodic job once.
"""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

from procrastinate import App, JobContext, RetryDecision
from procrastinate.exceptions import UniqueViolation
from procrastinate.job_context import JobResult
from procrastinate.jobs import Job, Status
from procrastinate.periodic import PeriodicDeferrer
from procrastinate.worker import Worker
from structlog.contextvars import bound_contextvars

# A worker whose heartbeat is older is dead, and its jobs return to their queues.
HEARTBEAT_SECONDS = 3
# How often a worker looks for due jobs by itself, should it not be woken.
SELF_POLL_SECONDS = 60

# The trace of the request or job that added the running one (`billing.jobs.describe_origin`).
ORIGIN: ContextVar[str] = ContextVar("ORIGIN", default="")

_KEEP_ALIVE = """
WITH alive AS (UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%(workers)s))
SELECT name FROM unnest(%(queues)s::text[]) AS name
 WHERE EXISTS (SELECT FROM procrastinate_jobs
                WHERE queue_name = name AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()))
"""


class QueueWorker(Worker):
    """A worker without side work of its own: `keep_alive` and `add_periodic_jobs` do it for all of the process."""

    async def run(self) -> None:
        await super().run()  # type: ignore[no-untyped-call]

    def wake(self) -> None:
        """Lets it look for jobs now."""
        self._new_job_event.set()

    async def _process_job(self, context: JobContext) -> None:
        # A trace is no argument of the task. A worker without traces must not pass it on either.
        ORIGIN.set(str(context.job.task_kwargs.pop("traceparent", "")))
        with bound_contextvars(job_id=context.job.id):
            await super()._process_job(context)

    async def _persist_job_status(
        self,
        job: Job,
        status: Status,
        retry_decision: RetryDecision | None,
        context: JobContext,
        job_result: JobResult | None,
    ) -> None:
        try:
            await super()._persist_job_status(job, status, retry_decision, context, job_result)
        except UniqueViolation:
            await leave_to_waiting_job(self.app, job)

    async def _update_heartbeat(self) -> None:
        await asyncio.Event().wait()

    async def _periodic_deferrer(self) -> None:
        await asyncio.Event().wait()


async def return_to_queue(app: App, job: Job) -> None:
    """Lets a job run again that nobody runs any more."""
    try:
        await app.job_manager.retry_job(job)
    except UniqueViolation:
        await leave_to_waiting_job(app, job)


async def leave_to_waiting_job(app: App, job: Job) -> None:
    """Ends a job that cannot return to its queue, because one with the same key waits there and does its work.

    Else it would run for ever, and as both have the same lock, the waiting one would never begin.
    """
    await app.job_manager.finish_job(job, status=Status.ABORTED, delete_job=False)


async def keep_alive(app: App, workers: Sequence[QueueWorker]) -> None:
    """Sends the heartbeat of all workers again and again, and wakes those that have a due job.

    Raises: ConnectorException where the database cannot be reached.
    """
    by_queue = {queue: worker for worker in workers for queue in worker.queues or ()}
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        alive = [worker.worker_id for worker in workers if worker.worker_id is not None]
        due = await app.connector.execute_query_all_async(_KEEP_ALIVE, workers=alive, queues=list(by_queue))
        for row in due:
            by_queue[row["name"]].wake()


async def add_periodic_jobs(app: App) -> None:
    """Adds each periodic job when it is due. Other processes may do so too: each job is added once."""
    await PeriodicDeferrer(registry=app.periodic_registry, **app.periodic_defaults).worker()
