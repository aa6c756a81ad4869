"""The worker's jobs. Each is a use case with a name; jobs are enqueued in the transaction that needs them."""

from uuid import UUID

from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from orders.use_cases.provision_organization import provision_organization as provision

# Waits 2, 4, 8 … seconds between attempts, about nine hours in all; then the job is `failed` and shown to staff.
_PERSISTENT = RetryStrategy(max_attempts=14, exponential_wait=2)


@app.task(name="provision_organization", queue="default", retry=_PERSISTENT)
def provision_organization(order_id: str) -> None:
    """Takes a completed order to a live organization."""
    provision(order_id=UUID(order_id))


@app.periodic(cron="* * * * *")
@app.task(name="retry_stalled_jobs", queue="default", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Puts the jobs of a worker that died back into the queue: one that was killed says no goodbye."""
    for job in await context.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=30):
        await context.app.job_manager.retry_job(job)
