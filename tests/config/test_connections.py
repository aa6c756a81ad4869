"""The default numbers of processes and connections fit into PostgreSQL's default of 100 connections."""

from typing import Any

import pytest
from django.db import connection

from config.parts.database import (
    LOCK_CONNECTIONS,
    connection_from_url,
    database,
    default_pool_size,
    describe_connection_shortage,
)
from tests.config.test_settings import COMPLETE, read

POSTGRESQL_DEFAULT, RESERVED_FOR_SUPERUSERS, OF_A_WORKER = 100, 3, 16


def default_of(variables: dict[str, str]) -> dict[str, Any]:
    """Return the database settings of a production process with these variables."""
    (databases,) = read("DATABASES", COMPLETE | variables)
    default: dict[str, Any] = databases["default"]
    return default


def test_four_cores_with_defaults_fit_into_100_connections() -> None:
    opened = 8 * default_of({"WEB_CONCURRENCY": "8"})["OPTIONS"]["pool"]["max_size"] + 8 * LOCK_CONNECTIONS
    assert opened + 2 * OF_A_WORKER <= POSTGRESQL_DEFAULT - RESERVED_FOR_SUPERUSERS


@pytest.mark.parametrize(("processes", "size"), [(1, 16), (4, 15), (5, 11), (6, 9), (8, 7), (63, 1), (200, 1)])
def test_the_pool_of_a_process_is_its_share(processes: int, size: int) -> None:
    assert default_pool_size(processes) == size


def test_the_variable_replaces_the_share() -> None:
    default = default_of({"WEB_CONCURRENCY": "8", "DATABASE_POOL_SIZE": "20"})
    assert default["OPTIONS"]["pool"]["max_size"] == 20


@pytest.mark.django_db
def test_the_web_server_warns_where_its_connections_do_not_fit() -> None:
    settings: dict[str, Any] = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('max_connections'), current_setting('superuser_reserved_connections')")
        ((most, reserved),) = cursor.fetchall()
    accepted = int(most) - int(reserved)
    size = settings["OPTIONS"]["pool"]["max_size"] + LOCK_CONNECTIONS
    fitting = accepted // size
    assert describe_connection_shortage(settings, web_processes=fitting) == ""
    assert describe_connection_shortage(settings, web_processes=fitting + 1) == (
        f"{fitting + 1} web processes may open {size} connections each, but PostgreSQL accepts {accepted}:"
        " lower WEB_CONCURRENCY or DATABASE_POOL_SIZE, or raise max_connections"
    )


def test_a_server_that_cannot_be_reached_gets_no_warning() -> None:
    nowhere = connection_from_url("postgresql://nobody@127.0.0.1:1/nowhere")
    settings = database(nowhere, pool_size=16, statement_timeout_seconds=1, behind_pooler=False)
    assert describe_connection_shortage(settings, web_processes=1000) == ""
