"""What the migrations install is what the .sql files say, and every migration goes back and forth."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import ForeignKey
from pytest_django import DjangoDbBlocker

from tests.database import cloned_database, use_database

APPS = ("billing", "promos", "orders")
# Run as it is by the use case beside it; nothing of it is installed.
NOT_INSTALLED = {"verify_ledger.sql"}

_FUNCTIONS = """
SELECT proname, prosrc FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND proname ~ '^(billing|promos|orders)_'
"""
_TRIGGERS = """
SELECT tgname, tgenabled FROM pg_trigger
 WHERE NOT tgisinternal AND tgrelid::regclass::text ~ '^(billing|promos|orders)_'
"""
# What a migration makes; functions, types and the view of grants are installed by every `migrate`, and stay.
_OF_TABLES = ("column", "table", "constraint", "index")
# Everything that makes up the schema, as text.
_SCHEMA = """
SELECT 'column', c.oid::regclass::text, format('%s %s %s %s %s', a.attnum, a.attname,
         format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'table', oid::regclass::text, format('%s %s', relpersistence, reloptions) FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
 WHERE indrelid::regclass::text ~ '^(billing|promos|orders)_'
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'type', oid::regtype::text, typtype::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
"""


def sql_files() -> list[Path]:
    """Every .sql file of the three apps that a migration installs."""
    found = [path for app in APPS for path in Path(apps.get_app_config(app).path).glob("**/*.sql")]
    return sorted(path for path in found if path.name not in NOT_INSTALLED)


def rows(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(map(str, row)) for row in cursor.fetchall()]


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
    written = re.findall(r"CREATE OR REPLACE TRIGGER (\w+) ", text)
    assert sorted(rows(_TRIGGERS)) == sorted((name, "O") for name in written)


def test_the_code_of_a_redemption_is_the_only_reference_without_a_foreign_key() -> None:
    """The reason stands in billing/models/__init__.py."""
    ours = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    references = [each for model in ours for each in model._meta.fields if isinstance(each, ForeignKey)]
    assert [str(each) for each in references if not vars(each)["db_constraint"]] == ["promos.Redemption.promo_code"]


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
    before = rows(_SCHEMA)
    for app in reversed(APPS):
        call_command("migrate", app, "zero", interactive=False, verbosity=0)
    ours = re.compile(r"\b(billing|promos|orders)_")
    assert [row for row in rows(_SCHEMA) if row[0] in _OF_TABLES and ours.search(row[1])] == []
    call_command("migrate", interactive=False, verbosity=0)
    assert sorted(rows(_SCHEMA)) == sorted(before)
