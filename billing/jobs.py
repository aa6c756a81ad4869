"""Enqueues the worker's jobs by name, in the transaction of the change that needs them."""

from datetime import timedelta

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

# The priority of jobs that do not wait behind a flood of others in their queue.
FIRST = 1


def describe_origin() -> dict[str, str]:
    """Returns what a job keeps of the request or job that adds it: nothing, or its trace (`config.telemetry`)."""
    return {}


def enqueue(name: str, *, lock: str | None = None, delay: timedelta | None = None, **arguments: str) -> None:
    """Adds a job for the worker. The job exists exactly when the transaction commits.

    Args: lock: jobs with the same lock run one after the other. delay: how much later the job may run.
    """
    seconds = {"seconds": int(delay.total_seconds())} if delay else None
    app.configure_task(name, lock=lock, schedule_in=seconds).defer(**arguments, **describe_origin())


def enqueue_once(name: str, *, key: str, **arguments: str) -> None:
    """Adds a job, unless one with the same key is waiting. Jobs with the same key run one after the other."""
    try:
        with transaction.atomic():
            app.configure_task(name, lock=key, queueing_lock=key).defer(**arguments, **describe_origin())
    except AlreadyEnqueued:
        return
