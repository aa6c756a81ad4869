"""Runs a worker for each queue in one process, and keeps them running while PostgreSQL restarts.

Procrastinate's worker ends when one of its side tasks (heartbeat, schedule, listener) loses the database, without an
error and with exit status 0. It has no option to stay. Here it starts again within the process, and gives up with
an error only after a long outage, so that the process's supervisor restarts it.

Its pool waits as briefly as the web server's. With the pool's defaults, each job in flight and the main loop wait 30
seconds for a connection, one after another, and a reconnect that keeps failing pauses for minutes.
"""

import asyncio
import ctypes
import gc
import logging
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from billing.use_cases.outside_calls import are_outside_calls_held
from config.metrics.worker_server import serve_metrics
from config.parts.database import (
    POOL_RECONNECT_SECONDS,
    POOL_WAIT_SECONDS,
    WorkerConnection,
    commit_each_statement,
)
from config.queue_worker import SELF_POLL_SECONDS, QueueWorker, add_periodic_jobs, keep_alive, return_to_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue, and how many of its jobs run at a time. Without `listens`, a new job waits for a few seconds."""

    name: str
    concurrency: int
    listens: bool


# Each has a worker of its own, so no queue waits for the jobs of another one. `payments` calls Stripe, which may be
# silent; `events` settles what Stripe sent from what is stored; `mirror` copies Stripe's objects for staff, once
# for the events of a payment; `cards` generates batches and grants in bulk; `books` recounts and verifies
# everything, for minutes; `default` is for what takes seconds, such as documents, reminders and the removal of
# expired rows.
QUEUES = (
    Queue(name="events", concurrency=5, listens=True),
    Queue(name="mail", concurrency=2, listens=True),
    Queue(name="provisioning", concurrency=8, listens=True),
    Queue(name="payments", concurrency=3, listens=False),
    Queue(name="mirror", concurrency=1, listens=False),
    Queue(name="cards", concurrency=1, listens=False),
    Queue(name="books", concurrency=1, listens=False),
    Queue(name="default", concurrency=1, listens=False),
)
QUEUE_NAMES = tuple(queue.name for queue in QUEUES)
# Each running job has a thread. Those that only wait between two steps of a deployment hold no connection.
JOB_THREADS = sum(queue.concurrency for queue in QUEUES)
JOB_CONNECTIONS = 8

# A worker whose heartbeat is older is dead, and its jobs return to their queues.
DEAD_SECONDS = 10
STALLED_CHECK_SECONDS = 4

# How many pools of memory the threads share: M_ARENA_MAX of glibc's mallopt.
MEMORY_POOLS = 2
_ARENA_MAX = -8

RESTART_SECONDS = 2
# A cancellation that was lost is sent again.
CANCEL_SECONDS = 1
# How soon a worker notices that the calls of a restored database are released.
RELEASE_CHECK_SECONDS = 5
# An outage that lasts longer ends the process.
GIVE_UP_SECONDS = 300
# An outage is over once the worker has run for this long.
STABLE_SECONDS = 30

logger = logging.getLogger(__name__)


def install_restarting_worker(app: App) -> None:
    """Makes the app's worker survive the loss of its database. PROCRASTINATE_ON_APP_READY names this function."""
    run_once = app.run_worker_async

    async def run_worker_async(**options: Any) -> None:
        if not options.get("wait", True):
            await run_once(**options)
            return
        _keep_memory_flat()
        _provide_threads_and_connections()
        serve_metrics()
        await _run_until_stopped(app, options)

    app.run_worker_async = run_worker_async  # type: ignore[method-assign]
    app.connector.get_worker_connector = create_worker_connector  # type: ignore[attr-defined]


def create_worker_connector() -> PsycopgConnector:
    """Creates the worker's connector, which Django's own settings connect.

    It sends single statements, so each commits by itself: with the check of a connection, BEGIN and COMMIT, a job
    would cost eight round trips instead of two.
    """
    return PsycopgConnector(
        kwargs=connector_params(),
        connection_class=WorkerConnection,
        configure=commit_each_statement,
        timeout=POOL_WAIT_SECONDS,
        reconnect_timeout=POOL_RECONNECT_SECONDS,
    )


def _keep_memory_flat() -> None:
    """Keeps what is loaded out of later garbage collections, and lets the threads of jobs share pools of memory.

    By default the C library gives each thread a pool of its own, which keeps what its largest job needed.
    """
    gc.collect()
    gc.freeze()
    # Another C library than glibc has no such setting.
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, MEMORY_POOLS)


def _provide_threads_and_connections() -> None:
    """Gives every job a thread, and the jobs enough connections where the pool's own size is smaller."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(JOB_THREADS, thread_name_prefix="job"))
    pool = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"].get("pool")
    if isinstance(pool, dict):
        pool["max_size"] = max(pool["max_size"], JOB_CONNECTIONS)


async def run_queues(app: App, options: dict[str, Any], stop: asyncio.Event) -> None:
    """Runs the workers of all queues, or of those that are named, until `stop` is set or one of them ends.

    The others end then too, each after the jobs that it has begun, and is kept alive until then.
    """
    await _wait_for_release(stop)
    app.perform_import_paths()  # type: ignore[no-untyped-call]
    chosen = options.get("queues") or QUEUE_NAMES
    workers = [_make_worker(app, queue, options) for queue in QUEUES if queue.name in chosen]
    running = [asyncio.ensure_future(worker.run()) for worker in workers]
    beside = [keep_alive(app, workers), add_periodic_jobs(app), _retry_stalled_jobs_repeatedly(app), stop.wait()]
    waiting = [asyncio.ensure_future(each) for each in beside]
    try:
        done, _ = await asyncio.wait([*running, *waiting], return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]
        await asyncio.gather(*running, return_exceptions=True)
        await _cancel(waiting)


async def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels tasks until each has ended: Python 3.11 loses a cancellation that comes when a wait is just over."""
    pending = set(tasks)
    while pending:
        for each in pending:
            each.cancel()
        ended, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
        await asyncio.gather(*ended, return_exceptions=True)


def _make_worker(app: App, queue: Queue, options: dict[str, Any]) -> QueueWorker:
    chosen = {
        "name": queue.name,
        "queues": [queue.name],
        "concurrency": queue.concurrency,
        "listen_notify": queue.listens,
        "fetch_job_polling_interval": SELF_POLL_SECONDS,
    }
    return QueueWorker(app=app, **{**app.worker_defaults, **options, **chosen, **_tracing()})


def _tracing() -> dict[str, Any]:
    """Returns the options that give each job a span; none without TRACES_URL."""
    if not settings.TRACES_URL:
        return {}
    entrances = import_module("config.telemetry.entrances")
    calls = import_module("config.telemetry.calls")
    calls.trace_outgoing_requests()
    calls.trace_added_jobs()
    return {"task_middleware": [entrances.trace_job, entrances.trace_async_job]}


async def _wait_for_release(stop: asyncio.Event) -> None:
    """Waits while a restored database holds what leaves the service: no job starts before.

    Raises: ConnectorException where the database cannot be reached.
    """
    is_logged = False
    while not stop.is_set() and await sync_to_async(_are_calls_held)():
        if not is_logged:
            logger.warning("the database was restored: no job runs until `manage.py outside_calls release`")
            is_logged = True
        await _pause(stop, RELEASE_CHECK_SECONDS)


def _are_calls_held() -> bool:
    try:
        return are_outside_calls_held()
    except (OperationalError, InterfaceError) as error:
        raise ConnectorException from error
    finally:
        connections[DEFAULT_DB_ALIAS].close()


async def _retry_stalled_jobs_repeatedly(app: App) -> None:
    while True:
        await asyncio.sleep(STALLED_CHECK_SECONDS)
        await retry_stalled_jobs(app)


async def retry_stalled_jobs(app: App) -> None:
    """Returns the jobs of a worker that died to their queues: a killed worker cannot do so itself."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_SECONDS):
        try:
            await return_to_queue(app, job)
        except Exception:
            logger.exception("stalled job %s could not be returned to the queue", job.id)


async def _run_until_stopped(app: App, options: dict[str, Any]) -> None:
    """Runs the workers again and again until SIGTERM or SIGINT.

    Raises: ConnectorException after an outage of GIVE_UP_SECONDS.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    options |= {"install_signal_handlers": False}
    failing_since: float | None = None
    while not stop.is_set():
        began, lost = time.monotonic(), None
        try:
            await run_queues(app, options, stop)
        except ConnectorException as error:
            lost = error
        if stop.is_set():
            return
        now = time.monotonic()
        if failing_since is None or now - began > STABLE_SECONDS:
            failing_since = now
        if now - failing_since > GIVE_UP_SECONDS:
            raise lost or ConnectorException("The worker loses its database again and again.")
        logger.warning("the worker lost its database and starts again")
        await _pause(stop, RESTART_SECONDS)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Waits, but not longer than until the worker stops."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
