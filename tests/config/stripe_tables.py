"""Describes dj-stripe's tables in the database, and those that dj-stripe's own migrations make in a minute.

`python -m tests.config.stripe_tables` runs the latter in a database of its own, compares, and prints the digest that
tests/config/test_stripe_tables.py knows. Run it after a change of the version of dj-stripe.
"""

import hashlib
import os
import secrets
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

# Columns, constraints and indexes by definition, since their names hold hashes. Our own additions are left out.
_DESCRIPTION = """
SELECT format('column %s.%s %s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN ' not null' END, ' identity ' || nullif(a.attidentity::text, ''),
              ' default ' || pg_get_expr(d.adbin, d.adrelid))
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relkind = 'r' AND starts_with(c.relname, 'djstripe_') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid))
  FROM pg_constraint
 WHERE contype IN ('c', 'f', 'p', 'u', 'x') AND starts_with(conrelid::regclass::text, 'djstripe_')
   AND NOT conname LIKE '%\\_stays\\_empty'
UNION ALL
SELECT format('index %s', regexp_replace(indexdef, ' INDEX \\S+ ON ', ' ON '))
  FROM pg_indexes
 WHERE starts_with(tablename, 'djstripe_') AND NOT indexname LIKE 'djstripe\\_%\\_newest'
"""


def described() -> list[str]:
    """The tables of the current database, a line for each column, constraint and index."""
    with connection.cursor() as cursor:
        cursor.execute(_DESCRIPTION)
        return sorted(str(line) for (line,) in cursor.fetchall())


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main() -> int:
    """Compare ours with theirs."""
    from tests.database import admin_connection, cloned_database, drop_database, use_database  # noqa: PLC0415

    with cloned_database("ours") as name:
        ours = described()
        settings.MIGRATION_MODULES = {}
        theirs_in = f"qasima_theirs_{secrets.token_hex(4)}"
        with admin_connection() as admin:
            admin.execute(f"CREATE DATABASE {theirs_in}".encode())
            use_database(theirs_in)
            try:
                call_command("migrate", "djstripe", interactive=False, verbosity=0)
                theirs = described()
            finally:
                use_database(name)
                drop_database(admin, theirs_in)
    for line in sorted(set(ours) ^ set(theirs)):
        print("only ours:  " if line in ours else "only theirs:", line)
    print(f"{len(theirs)} lines of theirs, digest {digest(theirs)}")
    return int(ours != theirs)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    django.setup()
    sys.exit(main())
