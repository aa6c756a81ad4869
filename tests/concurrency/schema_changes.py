"""The database with a safeguard taken out, for controls: a test that passes without it proves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

GATE = 7_340_032
# A place to stop at, for as long as somebody else has the gate to himself.
PASS_GATE = f"PERFORM pg_advisory_xact_lock_shared({GATE});"

_FUNCTION = """
SELECT pg_get_functiondef(oid) FROM pg_proc
 WHERE proname = %s AND pronamespace = 'public'::regnamespace
"""
_CONSTRAINT = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s AND conrelid = %s::regclass
"""


def function_definition(function: str) -> str:
    """The text that makes the function as it is installed now."""
    return _text(_FUNCTION, function)


@contextmanager
def replaced_function(function: str, definition: str) -> Iterator[None]:
    """Another definition of a function, for a while and for every connection."""
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
    """A table without one of its constraints, for a while; the rows that it would refuse go with the while."""
    true_definition = _text(_CONSTRAINT, constraint, table)
    _execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    try:
        yield
    finally:
        _execute("SELECT pristine.restore()")
        _execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {true_definition}")


def replace_text(definition: str, old: str, new: str) -> str:
    """The definition with one of its statements exchanged; it has to be there, once."""
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
