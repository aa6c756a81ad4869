"""Enqueues the worker's jobs by name, in the transaction of the change that needs them."""

from datetime import timedelta

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.types import TimeDeltaParams

# The priority of jobs that do not wait behind a flood of others in their queue.
FIRST = 1


def describe_origin() -> dict[str, str]:
    """Returns what a job keeps of the request or job that adds it: nothing, or its trace (`config.telemetry`)."""
    return {}


def enqueue(name: str, *, lock: str | None = None, delay: timedelta | None = None, **arguments: str) -> None:
    """Adds a job for the worker. The job exists exactly when the transaction commits.

    Args: lock: jobs with the same lock run one after the other. delay: how much later the job may run.
    """
    app.configure_task(name, lock=lock, schedule_in=_seconds(delay)).defer(**arguments, **describe_origin())


def enqueue_once(name: str, *, key: str, delay: timedelta | None = None, **arguments: str) -> None:
    """Adds a job, unless one with the same key is waiting. Jobs with the same key run one after the other.

    A waiting job begins after this call, so it sees what was committed before the call.
    """
    try:
        with transaction.atomic():
            task = app.configure_task(name, lock=key, queueing_lock=key, schedule_in=_seconds(delay))
            task.defer(**arguments, **describe_origin())
    except AlreadyEnqueued:
        return


def _seconds(delay: timedelta | None) -> TimeDeltaParams | None:
    return {"seconds": int(delay.total_seconds())} if delay else None
