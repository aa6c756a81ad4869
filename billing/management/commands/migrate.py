"""Django's `migrate`, and the SQL of the three apps: functions, triggers, views and storage settings.

A migration holds tables, and never changes once released. A function changes with the code that calls it: its text
stands in one file beside that code, and each `migrate` installs the files again. An app's config lists what tables
need as `sql_before_tables`, and what needs tables as `sql_after_tables`. A file may run any number of times.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

APPS = ("billing", "promos", "orders")


class Command(MigrateCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        using: str = options["database"]
        run_files("sql_before_tables", using=using)
        super().handle(*args, **options)
        executor = MigrationExecutor(connections[using])
        # A database that is taken back to an older state keeps the functions that it has.
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            run_files("sql_after_tables", using=using)


def run_files(step: str, *, using: str) -> None:
    """Runs the SQL files of a step, in the order of the apps and of their lists, in one transaction."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for file in sql_files(step):
            cursor.execute(file.read_text(encoding="utf-8"))


def sql_files(step: str) -> Iterator[Path]:
    """The files that a step installs, in their order."""
    for label in APPS:
        config = apps.get_app_config(label)
        for name in getattr(config, step, ()):
            yield Path(config.path) / name
