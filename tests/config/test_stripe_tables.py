"""dj-stripe's tables: the same as its own migrations make, and made in seconds."""

import importlib.metadata
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.config.stripe_tables import described, digest
from tests.database import PROJECT, admin_connection, database_environment, drop_database

# The digest that `python -m tests.config.stripe_tables` prints for the version's own migrations.
VERSION = "2.11.0"
DIGEST = "637589a3e7b7ebdc60ee51455dd9196810d68bb06d585ed2bca6941e7db8aad1"
# Our own 130 migrations take most of the 17 to 21 that were measured. dj-stripe's own would add 43.
MIGRATION_SECONDS = 25


@pytest.mark.django_db
def test_the_tables_are_those_that_dj_stripes_own_migrations_make() -> None:
    assert importlib.metadata.version("dj-stripe") == VERSION
    assert digest(described()) == DIGEST


@pytest.mark.django_db
def test_the_models_ask_for_no_further_migration() -> None:
    call_command("makemigrations", "djstripe", check_changes=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_the_tables_can_be_taken_away_and_made_again() -> None:
    MigrationExecutor(connection).migrate([("djstripe", None)])
    assert described() == []
    executor = MigrationExecutor(connection)
    executor.migrate([node for node in executor.loader.graph.leaf_nodes() if node[0] == "djstripe"])
    assert digest(described()) == DIGEST


@pytest.fixture
def empty_database() -> Iterator[dict[str, str]]:
    """The environment in which another process uses a new database."""
    name = f"qasima_empty_{secrets.token_hex(4)}"
    with admin_connection() as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        own = str(connection.settings_dict["NAME"])
        try:
            yield {key: url.replace(f"/{own}?", f"/{name}?") for key, url in database_environment().items()}
        finally:
            drop_database(admin, name)


@pytest.mark.django_db
def test_an_empty_database_is_migrated_within_seconds(empty_database: dict[str, str]) -> None:
    """Its own time, since a machine that runs other tests beside this one says nothing about the migrations."""
    environment = os.environ | empty_database | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"]
    before = os.times()
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < MIGRATION_SECONDS
