"""Django's `migrate`, and the SQL of the three apps: functions, triggers, views and storage settings.

A migration holds tables, and never changes once it is released. A function changes with the code that calls it, so
its text stands in one file beside that code, and each `migrate` installs the files that have changed. If each change
were a numbered file, the current text of a function would be the last of many copies, and a review would see a new
file instead of a diff. A migration that reads a current file is worse: later work on that file would change what a
released migration does.

An app's config lists the files that tables need as `sql_before_tables`, and the files that need tables as
`sql_after_tables`. A file may run any number of times.

- `InstalledSql` records the digest of each file. When every file is unchanged, nothing runs and nothing is locked.
  Otherwise the changed files run in one transaction.
- Locks are taken in short attempts (billing/management/table_locks.py) for `--lock-wait` seconds, so that customers
  wait for half a second at most. A migration that does not get its locks changes nothing.
- `migrate` to a named migration forgets the digests first, because tables that go take their triggers with them.
- `--plan` lists the files that would run, and `--check` fails if there are any; both change nothing.

Processes of the last release keep running while this one is installed, so a function that they call keeps its
arguments and its result for one more release. To change a signature, give the function a new name or a new list of
arguments and remove the old text from its file; the old function stays in the database. The next release drops it, by
`DROP FUNCTION IF EXISTS` in a file `models/dropped.sql` that stands first in `sql_after_tables`. A trigger that is no
longer wanted is dropped there at once. tests/orders/test_upgrade.py holds these rules.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import OperationalError, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from billing.management.table_locks import (
    DEFAULT_WAIT_SECONDS,
    lacks_lock,
    lock_tables_of_triggers,
    repeat_until_locked,
    rolled_back_if_left_open,
    short_attempts,
)
from billing.models import InstalledSql

APPS = ("billing", "promos", "orders")
STEPS = ("sql_before_tables", "sql_after_tables")


class Command(MigrateCommand):
    def add_arguments(self, parser: Any) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-wait",
            type=int,
            default=DEFAULT_WAIT_SECONDS,
            help="Seconds for which a step tries again to get the locks that running transactions hold.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        using: str = options["database"]
        is_dry_run = options["plan"] or options["check_unapplied"]
        if is_dry_run:
            pending = changed_files(*STEPS, using=using)
            for path in pending if options["plan"] else ():
                self.stdout.write(f"SQL file to install: {path}")
            super().handle(*args, **options)
            if pending and options["check_unapplied"]:
                sys.exit(1)
            return
        with short_attempts(using=using, wait_seconds=options["lock_wait"]):
            self._change_database(*args, **options)

    def _change_database(self, *args: Any, **options: Any) -> None:
        using, wait_seconds = options["database"], options["lock_wait"]
        if options["migration_name"] and has_records(using=using):
            InstalledSql.objects.using(using).all().delete()
        install(changed_files("sql_before_tables", using=using), using=using, wait_seconds=wait_seconds)

        def apply_migrations() -> None:
            with rolled_back_if_left_open(using=using):
                super(Command, self).handle(*args, **options)

        # A migration that was interrupted is not applied, and those before it are.
        repeat_until_locked(apply_migrations, wait_seconds=wait_seconds)
        executor = MigrationExecutor(connections[using])
        # A database that is taken back to an older state keeps the functions that it has.
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            install(changed_files(*STEPS, using=using), using=using, wait_seconds=wait_seconds)


def install(files: dict[str, str], *, using: str, wait_seconds: float) -> None:
    """Runs SQL files and records their digests, in one transaction.

    Raises: CommandError if a table cannot be locked in time; nothing is installed then.
    """
    if not files:
        return

    def install_once() -> None:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            # A fresh database gets what its tables need before there is a table of records.
            keeps_records = has_records(using=using)
            if keeps_records:
                # Two migrates at once install one after the other.
                cursor.execute(f"LOCK TABLE {InstalledSql._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
            texts = [(root() / path).read_text(encoding="utf-8") for path in files]
            lock_tables_of_triggers(texts, using=using)
            for text in texts:
                cursor.execute(text)
            if keeps_records:
                InstalledSql.objects.using(using).bulk_create(
                    [InstalledSql(path=path, sha256=digest) for path, digest in files.items()],
                    update_conflicts=True,
                    unique_fields=["path"],
                    update_fields=["sha256"],
                )

    try:
        repeat_until_locked(install_once, wait_seconds=wait_seconds)
    except OperationalError as error:
        if lacks_lock(error):
            raise CommandError(
                f"No SQL file was installed, because a running transaction holds a lock: {error.__cause__}. "
                "Run migrate again; at a quieter time, or with a longer --lock-wait, if this repeats."
            ) from error
        raise


def changed_files(*steps: str, using: str) -> dict[str, str]:
    """Returns the files of the steps that are not installed as they are now, in their order, each with its digest."""
    recorded = (
        dict(InstalledSql.objects.using(using).values_list("path", "sha256")) if has_records(using=using) else {}
    )
    current = {str(path.relative_to(root())): path for step in steps for path in sql_files(step)}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in current.items()}
    return {name: digest for name, digest in digests.items() if recorded.get(name) != digest}


def has_records(*, using: str) -> bool:
    """Returns whether the table of installed files exists."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [InstalledSql._meta.db_table])
        row: tuple[bool] = cursor.fetchone()
        return row[0]


def sql_files(step: str) -> Iterator[Path]:
    """Returns the files that a step installs, in the order of the apps and of their lists."""
    for label in APPS:
        config = apps.get_app_config(label)
        for name in getattr(config, step, ()):
            yield Path(config.path) / name


def root() -> Path:
    """Returns the folder of the three apps."""
    return Path(apps.get_app_config("billing").path).parent
