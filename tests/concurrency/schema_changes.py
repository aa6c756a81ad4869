"""Replaces functions and drops constraints, for control tests: without its safeguard the test must fail."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

GATE = 7_340_032
# A statement that waits while another session holds the gate exclusively.
PASS_GATE = f"PERFORM pg_advisory_xact_lock_shared({GATE});"

_FUNCTION = """
SELECT pg_get_functiondef(oid) FROM pg_proc
 WHERE proname = %s AND pronamespace = 'public'::regnamespace
"""
_CONSTRAINT = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s AND conrelid = %s::regclass
"""


def function_definition(function: str) -> str:
    """Return the statement that creates the function as it is installed now."""
    return _text(_FUNCTION, function)


@contextmanager
def replaced_function(function: str, definition: str) -> Iterator[None]:
    """Replace the definition of a function for all connections; restore it on exit."""
    true_definition = function_definition(function)
    _execute(definition)
    try:
        assert function_definition(function) != true_definition
        yield
    finally:
        _execute(true_definition)
        assert function_definition(function) == true_definition


@contextmanager
def dropped_constraint(table: str, constraint: str) -> Iterator[None]:
    """Drop a constraint of a table; on exit remove all rows that tests made, and restore the constraint."""
    true_definition = _text(_CONSTRAINT, constraint, table)
    _execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    try:
        yield
    finally:
        _execute("SELECT pristine.restore()")
        _execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {true_definition}")


def replace_text(definition: str, old: str, new: str) -> str:
    """Return the definition with one text replaced, which must occur exactly once."""
    assert definition.count(old) == 1
    return definition.replace(old, new)


def _text(statement: str, *params: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    assert len(rows) == 1
    return str(rows[0][0])


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
