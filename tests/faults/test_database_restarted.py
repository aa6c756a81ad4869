"""The pool's connections after a restart of PostgreSQL. The test restarts a real server that no other test uses."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from psycopg_pool import ConnectionPool

from config.devtools.embedded_postgres import connection_settings, ensure_running
from config.devtools.embedded_postgres.__main__ import stop
from config.devtools.embedded_postgres.places import places_of
from config.parts.database import POOL_RECONNECT_SECONDS, POOL_WAIT_SECONDS, PooledConnection

CLUSTER = "test-restarted"
CONNECTIONS = 6


@pytest.fixture
def pool() -> Iterator[ConnectionPool[PooledConnection]]:
    """A pool as Django makes it, of a server that this test may restart."""
    ensure_running(cluster=CLUSTER)
    address = connection_settings(cluster=CLUSTER)
    names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
    with ConnectionPool(
        kwargs={names[name]: value for name, value in address.items()} | {"autocommit": True},
        connection_class=PooledConnection,
        check=ConnectionPool.check_connection,
        min_size=2,
        max_size=CONNECTIONS,
        timeout=POOL_WAIT_SECONDS,
        reconnect_timeout=POOL_RECONNECT_SECONDS,
    ) as made:
        yield made
    stop(places_of(CLUSTER))


def test_the_first_requests_after_an_idle_restart_get_connections_quickly(
    pool: ConnectionPool[PooledConnection],
) -> None:
    with ExitStack() as rush:
        for _ in range(CONNECTIONS):
            rush.enter_context(pool.connection())
    stop(places_of(CLUSTER))
    ensure_running(cluster=CLUSTER)

    took = []
    for _ in range(CONNECTIONS + 1):
        began = time.monotonic()
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        took.append(time.monotonic() - began)
    assert max(took) < POOL_WAIT_SECONDS / 5, took
