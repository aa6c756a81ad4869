"""A database for benchmarks, on a durable embedded cluster, or on the server that `DATABASE_URL` names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from config.devtools.embedded_postgres import connection_settings, ensure_running
from config.devtools.embedded_postgres.binaries import find_binaries

# Not named "test…": those run without fsync.
CLUSTER = "bench"

Connection = psycopg.Connection[tuple[object, ...]]


def set_up() -> None:
    """Starts the cluster and Django on it; before anything of Django's is imported."""
    if not os.environ.get("DATABASE_URL"):
        ensure_running(cluster=CLUSTER)
        at = connection_settings(cluster=CLUSTER)
        os.environ["DATABASE_URL"] = f"postgresql://{at['USER']}@/{at['NAME']}?host={at['HOST']}&port={at['PORT']}"
    django.setup()


@contextmanager
def database(name: str = "bench") -> Iterator[Connection]:
    """A migrated, empty database that Django is pointed at, and a connection to it; dropped in the end.

    Raises: RuntimeError where the server does not keep what it says it has committed.
    """
    from tests.database import cloned_database, parameters  # noqa: PLC0415 - after set_up

    with cloned_database(name) as made, psycopg.connect(**parameters(made), autocommit=True) as connection:
        check_durable(connection)
        yield connection


def check_durable(connection: Connection) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        if row != ("on",):
            raise RuntimeError(f"{name} is off on this server: figures of it would mean nothing")


def program(name: str) -> Path:
    """A program that comes with PostgreSQL, such as pgbench.

    Raises: RuntimeError where this installation has none.
    """
    found = find_binaries().program(name)
    if not found.exists():
        raise RuntimeError(f"there is no {name} beside {found.parent}")
    return found
