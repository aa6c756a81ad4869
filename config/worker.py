"""Keeps the worker running while PostgreSQL restarts.

Procrastinate's worker ends when one of its side tasks (heartbeat, schedule, listener) loses the database, without an
error and with exit status 0. It has no option to stay. Here it starts again within the process, and gives up with
an error only after a long outage, so that the process's supervisor restarts it.

Its pool waits as briefly as the web server's. With the pool's defaults, each job in flight and the main loop wait 30
seconds for a connection, one after another, and a reconnect that keeps failing pauses for minutes.
"""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from config.database import POOL_RECONNECT_SECONDS, POOL_WAIT_SECONDS

RESTART_SECONDS = 2
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
        await _run_until_stopped(run_once, options)

    app.run_worker_async = run_worker_async  # type: ignore[method-assign]
    app.connector.get_worker_connector = create_worker_connector  # type: ignore[attr-defined]


def create_worker_connector() -> PsycopgConnector:
    """Creates the worker's connector, which Django's own settings connect."""
    return PsycopgConnector(
        kwargs=connector_params(), timeout=POOL_WAIT_SECONDS, reconnect_timeout=POOL_RECONNECT_SECONDS
    )


async def _run_until_stopped(run_once: Any, options: dict[str, Any]) -> None:
    """Runs the worker again and again until SIGTERM or SIGINT.

    Raises: ConnectorException after an outage of GIVE_UP_SECONDS.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failing_since: float | None = None
    while not stop.is_set():
        began = time.monotonic()
        error = await _run_one(run_once, options, stop)
        if stop.is_set():
            return
        now = time.monotonic()
        if failing_since is None or now - began > STABLE_SECONDS:
            failing_since = now
        if now - failing_since > GIVE_UP_SECONDS:
            raise error or ConnectorException("The worker loses its database again and again.")
        logger.warning("the worker lost its database and starts again")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RESTART_SECONDS)


async def _run_one(run_once: Any, options: dict[str, Any], stop: asyncio.Event) -> Exception | None:
    """Runs the worker once, and ends it in order when `stop` is set. Returns the error that ended it, if any."""
    running = asyncio.ensure_future(run_once(**options | {"install_signal_handlers": False}))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        return None
    except ConnectorException as error:
        return error
    return None
