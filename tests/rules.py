"""The rules that the database itself enforces, by name, and how tests attack them.

A rule is a CHECK or UNIQUE constraint, a partial unique index, a trigger that refuses, or a name under which a
function refuses. Primary and foreign keys and NOT NULL are none: Django makes them of the models' fields.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from .snapshot import nothing_changes

# Sets the triggers aside, to reach a constraint that stands behind one.
TRIGGERS_OFF = "SET LOCAL session_replication_role = replica"

_RULES = """
SELECT conname FROM pg_constraint
 WHERE contype NOT IN ('p', 'f', 'n') AND conrelid::regclass::text LIKE %(tables)s
UNION
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid::regclass::text LIKE %(tables)s
UNION
SELECT tgname FROM pg_trigger
 WHERE NOT tgisinternal AND tgfoid IN ('billing_refuse'::regproc, 'billing_check_transition'::regproc)
   AND tgrelid::regclass::text LIKE %(tables)s
"""
_TRIGGER_FUNCTIONS = """
SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT tgisinternal AND p.proname NOT IN ('billing_refuse', 'billing_check_transition')
   AND tgrelid::regclass::text LIKE %(tables)s
"""
_FUNCTIONS = "SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE %(tables)s"
_RAISED = re.compile(r"(?:CONSTRAINT =|THEN) '((?:billing|promos|orders)_\w+)'")


@dataclass(frozen=True, slots=True)
class Attack:
    """A statement that the rule must refuse; `prepare` runs before it, in the same transaction."""

    statement: str
    prepare: Sequence[str] = ()


Attacks = Mapping[str, Sequence[str | Attack]]


def rules_of(app: str) -> set[str]:
    """The names of all rules of the app's tables and functions."""
    tables = {"tables": f"{app}\\_%"}
    with connection.cursor() as cursor:
        cursor.execute(_RULES, tables)
        found = {str(name) for (name,) in cursor.fetchall()}
        cursor.execute(_FUNCTIONS, tables)
        for (body,) in cursor.fetchall():
            found.update(_RAISED.findall(body))
    return found


def triggers_without_rule(app: str) -> set[str]:
    """Triggers of the app's tables whose function names nothing that it refuses."""
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGER_FUNCTIONS, {"tables": f"{app}\\_%"})
        return {str(name) for name, body in cursor.fetchall() if not _RAISED.search(body)}


def each(attacks: Attacks) -> list[object]:
    """The attacks as parameters `rule, attack` of a test."""
    return [
        pytest.param(rule, attack if isinstance(attack, Attack) else Attack(attack), id=f"{rule}-{number}")
        for rule, statements in attacks.items()
        for number, attack in enumerate(statements, start=1)
    ]


def assert_refused(rule: str, attack: Attack) -> None:
    """Asserts that the database refuses the attack by the rule's name, and that nothing has changed."""
    with nothing_changes():
        with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
            for statement in attack.prepare:
                cursor.execute(statement)
            cursor.execute(attack.statement)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cause = caught.value.__cause__
        assert isinstance(cause, psycopg.Error)
        named = cause.diag.constraint_name
        assert named == rule, f"refused by {named}, not by {rule}: {cause}"


@contextmanager
def triggers_off() -> Iterator[None]:
    """Run a transaction without triggers, to put rows into a state that only a crash or a repair could leave."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        yield


def assert_left_out(attack: Attack) -> None:
    """Asserts that the statement, a call of a function, does nothing: it returns no row, and nothing has changed."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in attack.prepare:
            cursor.execute(statement)
        with nothing_changes():
            cursor.execute(attack.statement)
            assert cursor.fetchall() == []
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def corrupt(statement: str) -> None:
    """Commits a change of exactly one row that the database would refuse; nothing but a defect could."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        cursor.execute(statement)
        assert cursor.rowcount == 1, f"{cursor.rowcount} rows: {statement}"


def assert_accepted(statement: str) -> None:
    """Asserts that the statement would pass; it is rolled back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1, f"{cursor.rowcount} rows: {statement}"
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def inserting(table: str, valid: Mapping[str, str], **wrong: str) -> str:
    """The INSERT of a valid row with some columns wrong; values are SQL expressions."""
    row = {**valid, **wrong}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def customer(user_id: str) -> str:
    """The customer's key, as an SQL expression."""
    return f"(SELECT id FROM billing_customer WHERE user_id = '{user_id}')"


def code(text: str) -> str:
    """The promo code's key, as an SQL expression."""
    return f"(SELECT id FROM promos_promocode WHERE code = '{text}')"


def organization(slug: str) -> str:
    """The organization's key, as an SQL expression."""
    return f"(SELECT id FROM billing_organization WHERE slug = '{slug}')"


# The history's only order, as SQL.
ORDER = "(SELECT id FROM orders_order)"
