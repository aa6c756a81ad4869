"""The databases that tests run on: clones of one migrated template, restored after each test.

Migrating takes seconds and cloning a tenth of a second, so the template is kept for later runs. Its name is a digest
of what it was made of: when a migration, an SQL file or a package changes, a new template is built.

A test with `transaction=True` commits, so its rows have to be removed. Django would TRUNCATE every table,
which the ledger refuses by trigger, and which would take the rows that migrations made. `pristine.restore()`
switches triggers off for its own transaction, empties the tables that have rows, and restores those that
migrations filled.
"""

import hashlib
import importlib.metadata
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from psycopg.sql import SQL, Identifier, Literal

from config.devtools.embedded_postgres import connection_settings, ensure_running

CLUSTER = "test"
TEMPLATE_PREFIX = "qasima_template_"
BUILD_PREFIX = "qasima_build_"
RUN_PREFIX = "qasima_test_"
TEMPLATES_KEPT = 3
PROJECT = Path(__file__).resolve().parents[1]
PRISTINE = Path(__file__).with_name("pristine.sql")
HASHED_PATTERNS = ("migrations/**/*.py", "**/*.sql", "**/*.json", "management/commands/migrate.py")

Admin = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def cloned_database(worker: str, *, rebuild: bool = False) -> Iterator[str]:
    """Create a database for this process, point Django at it, and drop it on exit.

    Args:
        worker: the name of this test process, part of the database's name.
        rebuild: whether to migrate again although nothing changed.
    """
    if not os.environ.get("DATABASE_URL"):
        ensure_running(cluster=CLUSTER)
        connection.settings_dict.update(connection_settings(cluster=CLUSTER))
    name = f"{RUN_PREFIX}{secrets.token_hex(4)}_{worker}"
    with admin_connection() as admin:
        check_privileges(admin)
        # The session holds this lock until the process ends, so a database whose lock is free is abandoned.
        admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        with template_lock(admin):
            drop_abandoned(admin)
            template = ensure_template(admin, rebuild=rebuild)
            create = SQL("CREATE DATABASE {} TEMPLATE {}")
            admin.execute(create.format(Identifier(name), Identifier(template)))
        use_database(name)
        try:
            yield name
        finally:
            disconnect()
            drop_database(admin, name)


def database_environment() -> dict[str, str]:
    """Return the environment that makes another process use this process's test database."""
    at = connection.settings_dict
    login = ":".join(quote(part, safe="") for part in (at["USER"], at.get("PASSWORD", "")) if part)
    where = urlencode({key: at[name] for key, name in (("host", "HOST"), ("port", "PORT")) if at[name]})
    return {"DATABASE_URL": f"postgresql://{f'{login}@' if login else ''}/{at['NAME']}?{where}"}


def restore_pristine() -> None:
    """Remove what tests committed; replaces Django's flush."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pristine.restore()")


def changed_tables() -> list[str]:
    """Return the tables whose rows differ from those that migrations made."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pristine.subject AS s WHERE pristine.is_changed(s) ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def admin_connection() -> Admin:
    """Connect to the server's own database, outside Django."""
    return psycopg.connect(**parameters("postgres"), autocommit=True)


def parameters(name: str) -> dict[str, Any]:
    """Return the connection parameters of a database on the server that tests use."""
    at = connection.settings_dict
    found = {"host": at["HOST"], "port": at["PORT"], "user": at["USER"], "password": at.get("PASSWORD")}
    return {"dbname": name} | {key: value for key, value in found.items() if value}


def check_privileges(admin: Admin) -> None:
    """Raise RuntimeError if the user cannot create databases or switch off triggers."""
    row = admin.execute(
        "SELECT rolcreatedb OR rolsuper, has_parameter_privilege('session_replication_role', 'SET')"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row != (True, True):
        raise RuntimeError(
            "Tests need a PostgreSQL user that may create databases and set session_replication_role: "
            "ALTER ROLE ... CREATEDB; GRANT SET ON PARAMETER session_replication_role TO ...; "
            "or leave DATABASE_URL unset, to test on the embedded PostgreSQL."
        )


@contextmanager
def template_lock(admin: Admin) -> Iterator[None]:
    """Let one process at a time build, clone and drop databases."""
    admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [TEMPLATE_PREFIX])
    try:
        yield
    finally:
        admin.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [TEMPLATE_PREFIX])


def databases(admin: Admin, prefix: str) -> list[str]:
    """List the databases whose name starts with a prefix, newest first."""
    rows = admin.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY oid DESC", [prefix]
    ).fetchall()
    return [str(row[0]) for row in rows]


def drop_database(admin: Admin, name: str) -> None:
    """Drop a database and disconnect its remaining sessions."""
    admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def drop_abandoned(admin: Admin) -> None:
    """Drop the databases of test processes that were killed."""
    for name in databases(admin, BUILD_PREFIX):
        drop_database(admin, name)
    for name in databases(admin, RUN_PREFIX):
        row = admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
        if row == (True,):
            drop_database(admin, name)
            admin.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def ensure_template(admin: Admin, *, rebuild: bool) -> str:
    """Return the name of a migrated database to clone; build it if there is none.

    The caller holds the template lock.
    """
    digest = template_digest(str(admin.info.server_version))
    template, build = f"{TEMPLATE_PREFIX}{digest}", f"{BUILD_PREFIX}{digest}"
    if template in databases(admin, TEMPLATE_PREFIX):
        if not rebuild:
            return template
        drop_database(admin, template)
    admin.execute(SQL("CREATE DATABASE {} ENCODING {}").format(Identifier(build), Literal("UTF8")))
    use_database(build)
    call_command("migrate", interactive=False, verbosity=0)
    disconnect()
    with psycopg.connect(**parameters(build), autocommit=True) as built:
        built.execute(PRISTINE.read_text().encode())
    admin.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(build), Identifier(template)))
    for old in databases(admin, TEMPLATE_PREFIX)[TEMPLATES_KEPT:]:
        drop_database(admin, old)
    return template


def use_database(name: str) -> None:
    """Point Django's connections of this process at a database."""
    disconnect()
    connection.settings_dict["NAME"] = name
    settings.DATABASES["default"]["NAME"] = name


def disconnect() -> None:
    """Close this process's connections, including the idle ones in the pool."""
    connections.close_all()
    for each in connections.all():
        if isinstance(each, DatabaseWrapper):
            each.close_pool()


def template_digest(server_version: str) -> str:
    """Return a digest of everything that the template is built from."""
    digest = hashlib.sha256(server_version.encode())
    packages = {f"{each.metadata['Name']}=={each.version}" for each in importlib.metadata.distributions()}
    digest.update("\n".join(sorted(packages)).encode())
    files = {PRISTINE}
    for app in apps.get_app_configs():
        own = Path(app.path).is_relative_to(PROJECT) and ".venv" not in Path(app.path).parts
        for pattern in HASHED_PATTERNS if own else HASHED_PATTERNS[:1]:
            files.update(Path(app.path).glob(pattern))
        # The project keeps migrations of some packages in a folder of its own, outside the package.
        kept = MigrationLoader.migrations_module(app.label)[0]
        if kept and (folder := PROJECT.joinpath(*kept.split("."))).is_dir():
            files.update(folder.glob("*.py"))
    for path in sorted(files):
        digest.update(f"\n{path}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
