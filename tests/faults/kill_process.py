"""Kills a process of a fault test, and waits until its server process has ended."""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from django.db import connection

from tests.concurrency.wait_for import wait_until
from tests.faults.checkout_process import Report

PROCESS_TIMEOUT_SECONDS = 30

# Children of a process that has loaded Django and nothing else: they inherit no connection and no thread.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.checkout_process"])


def receive_report(pipe: Connection) -> Report:
    """Return the next report of the process."""
    assert pipe.poll(PROCESS_TIMEOUT_SECONDS), "the process sent no report"
    message = pipe.recv()
    assert isinstance(message, Report), message
    return message


def kill(process: BaseProcess) -> None:
    """Kill the process with SIGKILL and wait for its end."""
    process.kill()
    process.join(PROCESS_TIMEOUT_SECONDS)
    assert process.exitcode == -signal.SIGKILL


def wait_until_backend_is_gone(backend: int) -> None:
    """Wait until the server has noticed: what the process began is then rolled back or committed."""

    def gone() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
            return bool(cursor.fetchone()[0])

    wait_until(gone, "the end of the server process")
