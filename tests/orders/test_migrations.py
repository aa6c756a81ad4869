"""The migrations install what the .sql files say, and every migration can be applied and reversed."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import ForeignKey
from pytest_django import DjangoDbBlocker

from billing.models import InstalledSql
from tests.database import cloned_database, parameters, use_database
from tests.schema import SCHEMA, rows

APPS = ("billing", "promos", "orders")
# Run as it is by the use case beside it; nothing of it is installed.
NOT_INSTALLED = {"verify_ledger.sql"}

_FUNCTIONS = """
SELECT proname, prosrc FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND proname ~ '^(billing|promos|orders)_'
"""
_TABLES = """
SELECT oid::regclass::text FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname ~ '^(billing|promos|orders)_'
"""
_TRIGGERS = """
SELECT tgname, tgenabled FROM pg_trigger
 WHERE NOT tgisinternal AND tgrelid::regclass::text ~ '^(billing|promos|orders)_'
"""
# What a migration makes; functions, types and the view of grants are installed by every `migrate`, and stay.
_OF_TABLES = ("column", "table", "constraint", "index")


def sql_files() -> list[Path]:
    """Every .sql file of the three apps that a migration installs."""
    found = [path for app in APPS for path in Path(apps.get_app_config(app).path).glob("**/*.sql")]
    return sorted(path for path in found if path.name not in NOT_INSTALLED)


@pytest.mark.django_db
def test_installed_functions_are_those_of_the_files() -> None:
    text = "\n".join(path.read_text() for path in sql_files())
    written = re.findall(r"CREATE OR REPLACE FUNCTION (\w+)\(", text)
    installed = rows(_FUNCTIONS)
    assert sorted(name for name, _ in installed) == sorted(written)
    assert len(written) == len(set(written)) > 0
    for name, body in installed:
        assert f"$${body}$$" in text, f"{name} is not installed as its file says"


@pytest.mark.django_db
def test_installed_triggers_are_those_of_the_files_and_enabled() -> None:
    text = "\n".join(path.read_text() for path in sql_files())
    written = re.findall(r"CREATE (?:OR REPLACE|CONSTRAINT) TRIGGER (\w+) ", text)
    assert sorted(rows(_TRIGGERS)) == sorted((name, "O") for name in written)


def test_five_references_have_no_foreign_key() -> None:
    """The reasons stand in billing/models/__init__.py."""
    ours = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    references = [each for model in ours for each in model._meta.fields if isinstance(each, ForeignKey)]
    without = {str(each) for each in references if not vars(each)["db_constraint"]}
    assert without == {
        "billing.LedgerEntry.lot",
        "orders.WebhookDelivery.endpoint",
        "promos.Card.batch",
        "promos.Redemption.promo_code",
        "promos.RefusedAttempt.promo_code",
    }


@pytest.fixture
def scratch_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database of its own for one test; Django is back at this process's afterwards."""
    name = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        try:
            with cloned_database("migrations"):
                yield
        finally:
            use_database(name)


@pytest.mark.usefixtures("scratch_database")
def test_migrations_go_back_without_a_trace_and_forward_to_the_same_schema() -> None:
    before = rows(SCHEMA)
    for app in reversed(APPS):
        call_command("migrate", app, "zero", interactive=False, verbosity=0)
    ours = re.compile(r"\b(billing|promos|orders)_")
    assert [row for row in rows(SCHEMA) if row[0] in _OF_TABLES and ours.search(row[1])] == []
    call_command("migrate", interactive=False, verbosity=0)
    assert sorted(rows(SCHEMA)) == sorted(before)


@pytest.mark.usefixtures("scratch_database")
def test_tables_of_one_app_that_went_come_back_with_their_triggers() -> None:
    before = rows(SCHEMA)
    call_command("migrate", "orders", "zero", interactive=False, verbosity=0)
    call_command("migrate", "orders", interactive=False, verbosity=0)
    assert sorted(rows(SCHEMA)) == sorted(before)


@pytest.fixture
def busy_service(scratch_database: None) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Another session, which has written to every table and has not committed."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with psycopg.connect(**parameters(connection.settings_dict["NAME"])) as service:
        tables = ", ".join(name for (name,) in rows(_TABLES))
        service.execute(f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE".encode())
        yield service


@pytest.mark.usefixtures("busy_service")
def test_migrate_locks_nothing_when_every_file_is_unchanged() -> None:
    call_command("migrate", interactive=False, verbosity=0)


@pytest.mark.usefixtures("busy_service")
def test_migrate_that_gets_no_lock_says_so_and_installs_nothing() -> None:
    change("promos/use_cases/redeem.sql", "orders/models/catalog.sql")
    before = recorded()
    with pytest.raises(CommandError, match="No SQL file was installed, because a running transaction holds a lock"):
        call_command("migrate", interactive=False, verbosity=0, lock_wait=0)
    assert recorded() == before


def test_migrate_tries_again_until_the_service_lets_go_of_its_locks(
    busy_service: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.management.table_locks.time.sleep", lambda seconds: busy_service.rollback())
    before = recorded()
    change("promos/use_cases/redeem.sql", "orders/models/catalog.sql")
    call_command("migrate", interactive=False, verbosity=0)
    assert recorded() == before
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("100ms",)


@pytest.mark.usefixtures("scratch_database")
def test_a_migration_whose_foreign_key_gets_no_lock_is_repeated_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django makes foreign keys at the end of a migration, where it does not roll back by itself."""
    before = rows(SCHEMA)
    call_command("migrate", "promos", "0035", interactive=False, verbosity=0)
    with psycopg.connect(**parameters(connection.settings_dict["NAME"])) as service:
        service.execute("LOCK TABLE promos_promocode IN ROW EXCLUSIVE MODE")
        pauses: list[list[tuple[str, ...]]] = []

        def let_go(seconds: float) -> None:
            pauses.append(rows("SELECT to_regclass('promos_usesnapshot') IS NULL"))
            service.rollback()

        monkeypatch.setattr("billing.management.table_locks.time.sleep", let_go)
        call_command("migrate", interactive=False, verbosity=0)
    assert pauses == [[("True",)]]
    assert sorted(rows(SCHEMA)) == sorted(before)


@pytest.mark.usefixtures("scratch_database")
def test_changed_file_is_installed_and_no_other() -> None:
    before = recorded()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION billing_check_transition() CASCADE")
        cursor.execute("DROP FUNCTION orders_catalog_changed() CASCADE")
    change("billing/models/transitions.sql")
    call_command("migrate", interactive=False, verbosity=0)
    installed = {name for name, _ in rows(_FUNCTIONS)}
    assert "billing_check_transition" in installed
    assert "orders_catalog_changed" not in installed
    assert recorded() == before


@pytest.mark.usefixtures("scratch_database")
def test_plan_and_check_tell_of_a_changed_file_and_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("migrate", check_unapplied=True, plan=True, verbosity=0)
    assert "SQL file to install" not in capsys.readouterr().out
    change("promos/models/promos.sql")
    before = recorded()
    call_command("migrate", plan=True, verbosity=0)
    assert "SQL file to install: promos/models/promos.sql" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        call_command("migrate", check_unapplied=True, verbosity=0)
    assert recorded() == before


def change(*paths: str) -> None:
    """Has the record of installed files tell of another text."""
    assert InstalledSql.objects.filter(path__in=paths).update(sha256="another") == len(paths)


def recorded() -> dict[str, str]:
    return dict(InstalledSql.objects.values_list("path", "sha256"))
