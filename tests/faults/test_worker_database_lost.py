"""The worker during an outage of its database: it starts again within the same process and does its jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from config.worker import QUEUES
from tests.concurrency.wait_for import wait_until
from tests.database import parameters
from tests.faults.test_worker_killed import (
    START_SECONDS,
    assert_active_with_one_event,
    bought_organization,
    stop,
    wait_until_done,
    worker,
)

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def outage(log: Path) -> Iterator[None]:
    """Ends every session of the test's database, and refuses new ones until the worker has noticed.

    Any of its tasks may be the first to lose the database; the worker's own notice comes in every case.
    """
    name = connection.settings_dict["NAME"]
    notices = count_notices(log)
    connection.close()
    with psycopg.connect(**parameters("postgres"), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            wait_until(lambda: count_notices(log) > notices, "the notice", seconds=START_SECONDS)
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    yield


def count_notices(log: Path) -> int:
    return log.read_text().count("lost its database")


def count_workers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        ((number,),) = cursor.fetchall()
    return int(number)


def test_the_worker_goes_on_after_outages_of_the_database(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker(log) as process:
        wait_until(lambda: count_workers() == len(QUEUES), "the workers", seconds=START_SECONDS)
        for number in (1, 2):
            with outage(log):
                organization = bought_organization()
                wait_until_done(organization, log)
            assert process.poll() is None, log.read_text()
            assert count_notices(log) >= number
            assert_active_with_one_event(organization)
        stop(process)
