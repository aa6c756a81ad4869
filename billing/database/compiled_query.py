"""Queries whose SQL Django writes once.

Django writes the SQL of a query anew each time that it runs. For one with many expressions that takes several times
as long as PostgreSQL needs to run it.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

Found = TypeVar("Found", bound=Model)

# Values that no query has of its own, by their type and position among the arguments.
_SAMPLES: dict[type, Callable[[int], Any]] = {
    str: lambda position: f"\uffff{position}",
    int: lambda position: 2_000_000_000 + position,
    UUID: lambda position: UUID(int=position),
    datetime: lambda position: datetime(1, 1, 1 + position, tzinfo=UTC),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of an argument among the parameters."""

    position: int


@dataclass(frozen=True, slots=True)
class _Compiled(Generic[Found]):
    """A query, and its SQL with its parameters: constants, and places of arguments."""

    queryset: QuerySet[Found, Found]
    compiler: SQLCompiler
    sql: str
    parameters: Sequence[Any]


class CompiledQuery(Generic[Found]):
    """A query for values that become its parameters.

    Args: build: makes the query for the values. It may only compare them with columns, as they are: the SQL may
    depend on their number, and not on the values.
    """

    def __init__(self, build: Callable[..., QuerySet[Found, Found]]) -> None:
        self._build = build
        self._compiled: dict[int, _Compiled[Found]] = {}

    def fetch(self, *values: Any) -> list[Found]:
        """Runs the query for the values, and returns the rows as Django does."""
        compiled = self._compiled.get(len(values)) or self._compile(values)
        places = compiled.parameters
        parameters = tuple(values[each.position] if isinstance(each, _Place) else each for each in places)
        queryset, compiler = compiled.queryset.all(), copy(compiled.compiler)
        # It was compiled for the connection of another thread.
        compiler.connection = connections[queryset.db]
        compiler.as_sql = lambda *_args, **_options: (compiled.sql, parameters)  # type: ignore[method-assign]
        queryset.query.get_compiler = lambda *_args, **_options: compiler  # type: ignore[method-assign]
        return list(queryset)

    def _compile(self, values: Sequence[Any]) -> _Compiled[Found]:
        samples = [_sample(value, position) for position, value in enumerate(values)]
        queryset = self._build(*samples)
        compiler = queryset.query.get_compiler(queryset.db)
        sql, given = compiler.as_sql()
        parameters = [_Place(samples.index(each)) if each in samples else each for each in given]
        if {each.position for each in parameters if isinstance(each, _Place)} != set(range(len(values))):
            raise ValueError("the query changes a value, or does not use it")
        self._compiled[len(values)] = _Compiled(queryset, compiler, sql, parameters)
        return self._compiled[len(values)]


def _sample(value: Any, position: int) -> Any:
    return next(make(position) for kind, make in _SAMPLES.items() if isinstance(value, kind))
