"""Writes the database and the API's description of this commit as tests/releases/<version>.sql and .openapi.json.

The first holds what billing, promos and orders keep: tables, functions, triggers, types, views, the rows that
tests/sample_history.py makes through use cases, and the record of applied migrations. Other apps' tables are not
in it.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402 - after Django is set up

from config.devtools.embedded_postgres.binaries import find_binaries  # noqa: E402
from tests.contract.test_compatibility import described_api  # noqa: E402
from tests.database import cloned_database, parameters  # noqa: E402
from tests.sample_history import create_sample_history  # noqa: E402

OURS = re.compile(r" public (?:billing|promos|orders)_")
# Comments of pg_dump, and settings of its session that a restore does not need.
NOISE = re.compile(r"^--\n-- [^\n]*\n(?:-- [^\n]*\n)*--\n|^-- (?:Dumped|Started|Completed) [^\n]*\n", re.MULTILINE)
SETTING = re.compile(
    r"^(?:SET (?!check_function_bodies)|SELECT pg_catalog\.set_config|\\(?:un)?restrict)[^\n]*\n", re.MULTILINE
)
# How our SQL files have other apps' tables stored.
STORAGE_OF_OTHERS = """
SELECT format('ALTER TABLE %s SET (%s);', oid::regclass, array_to_string(reloptions, ', ')) FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
   AND relname !~ '^(billing|promos|orders)_' ORDER BY relname
"""
APPLIED_MIGRATIONS = """
SELECT format('INSERT INTO public.django_migrations (app, name, applied) VALUES (%L, %L, %L);', app, name, applied)
  FROM django_migrations WHERE app IN ('billing', 'promos', 'orders') ORDER BY id
"""


def write_release(version: str) -> Path:
    """Makes the history in a database of its own, and writes it to the version's file."""
    path = Path(__file__).with_name(f"{version}.sql")
    with cloned_database("release") as name:
        create_sample_history()
        text = dump(name) + lines(STORAGE_OF_OTHERS) + lines(APPLIED_MIGRATIONS)
    path.write_text(f"-- The database of release {version}, written by: python -m tests.releases {version}\n{text}")
    description = path.with_suffix(".openapi.json")
    description.write_text(json.dumps(described_api(), indent=1, sort_keys=True) + "\n")
    return path


def dump(name: str) -> str:
    """Returns the tables, functions and rows of the three apps in a database, as SQL."""
    at = parameters(name)
    login = {**os.environ, "PGPASSWORD": at.get("password", "")}
    where = [f"--host={at['host']}", f"--port={at['port']}", f"--username={at['user']}"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        major = int(cursor.fetchone()[0]) // 10_000
    programs = find_binaries(major=major)
    with TemporaryDirectory() as folder:
        archive, listed = Path(folder, "archive"), Path(folder, "list")
        run = [str(programs.program("pg_dump")), *where, "--format=custom", "--inserts", f"--file={archive}", name]
        subprocess.run(run, env=login, check=True)
        restore = [str(programs.program("pg_restore")), "--no-owner", "--no-privileges"]
        content = subprocess.run(
            [*restore, "--list", str(archive)], check=True, capture_output=True, text=True
        ).stdout
        listed.write_text("\n".join(line for line in content.splitlines() if OURS.search(line)))
        text = subprocess.run(
            [*restore, f"--use-list={listed}", "--file=-", str(archive)], check=True, capture_output=True, text=True
        ).stdout
    return re.sub(r"\n{3,}", "\n", SETTING.sub("", NOISE.sub("", text)))


def lines(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return "".join(f"{line}\n" for (line,) in cursor.fetchall())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.releases VERSION")
    print(write_release(sys.argv[1]))
