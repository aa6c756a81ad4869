"""Enqueues the worker's jobs by name, in the transaction of the change that needs them.

In a worker, procrastinate's app has a pool of its own: what the app itself adds is committed at once, and may run
before the change that needs it, or after that change was rolled back. So Django's connection adds jobs everywhere.
"""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import JobDeferrer
from procrastinate.manager import JobManager

# The priority of jobs that do not wait behind a flood of others in their queue.
FIRST = 1

_MANAGER = JobManager(DjangoConnector())
# The state is a literal: by a parameter a prepared statement finds no partial index.
_IS_WAITING = "SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'"


def describe_origin() -> dict[str, str]:
    """Returns what a job keeps of the request or job that adds it: nothing, or its trace (`config.telemetry`)."""
    return {}


def enqueue(name: str, *, lock: str | None = None, delay: timedelta | None = None, **arguments: str) -> None:
    """Adds a job for the worker. The job exists exactly when the transaction commits.

    Args: lock: jobs with the same lock run one after the other. delay: how much later the job may run.
    """
    _configure(name, delay, lock=lock).defer(**arguments, **describe_origin())


def enqueue_once(name: str, *, key: str, delay: timedelta | None = None, **arguments: str) -> None:
    """Adds a job, unless one with the same key is waiting. Jobs with the same key run one after the other.

    A waiting job begins after this call, so it sees what was committed before the call. It is looked for first: each
    refused insertion is an error in PostgreSQL's log.
    """
    with connection.cursor() as cursor:
        cursor.execute(_IS_WAITING, [key])
        if cursor.fetchone():
            return
    try:
        with transaction.atomic():
            _configure(name, delay, lock=key, queueing_lock=key).defer(**arguments, **describe_origin())
    except AlreadyEnqueued:
        return


def _configure(name: str, delay: timedelta | None, **options: Any) -> JobDeferrer:
    """Prepares a job that is added over Django's connection, with the queue and priority of its task."""
    seconds = {"seconds": int(delay.total_seconds())} if delay else None
    prepared = app.configure_task(name, schedule_in=seconds, **options)
    prepared.job_manager = _MANAGER
    return prepared
