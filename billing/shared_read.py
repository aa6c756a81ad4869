"""Shared reads: requests of one process that arrive together share one statement, as commits do.

Front ends poll some endpoints every few seconds. Most of such an answer's time is the way to the database and back,
and a batch pays for it once. Most polls then find the same rows as the poll before, so a process also remembers what
it made of the rows that it read last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection

from billing.group_commit import GroupCommit

Key = tuple[Any, ...]
Row = tuple[Any, ...]
Value_co = TypeVar("Value_co", covariant=True)

# For how many keys a process remembers what it made of their rows, and the body of their answer.
MAX_REMEMBERED = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Read(Generic[Value_co]):
    """The value of the rows that were read. Requests that read equal rows share it, so nothing may change it."""

    value: Value_co


class SharedRead(Generic[Value_co]):
    """A statement that reads rows for many keys.

    Args: statement: gets an array for each part of a key, and returns rows that begin with their key's position in
    the arrays, counted from 1; make: makes the value of a key's rows. The columns must be hashable, so an array is
    read as JSON.

    A statement that joins tables reads its first array through `ARRAY(SELECT unnest(...))`. PostgreSQL then estimates
    ten rows, whatever the array holds. It estimates ten for an unknown array too, so a plan that it keeps never seems
    dearer than a new one. Otherwise it plans the statement anew for each batch, which costs more than running it.
    """

    def __init__(self, statement: str, make: Callable[[tuple[Row, ...]], Value_co]) -> None:
        self._statement = statement
        self._group: GroupCommit[Key, tuple[Row, ...]] = GroupCommit(self._read)
        self._make: Callable[[tuple[Row, ...]], Read[Value_co]] = lru_cache(MAX_REMEMBERED)(
            lambda rows: Read(make(rows))
        )

    def read(self, *key: Any) -> Read[Value_co]:
        """Returns what the rows of a key mean, as they are after the call began. Equal rows give the same object.

        Do not call it inside a transaction: another thread may run the statement.
        """
        rows = self._group.submit(key)
        # The database refused the whole batch: alone, the reason is raised.
        return self._make(self._read([key])[0] if rows is None else rows)

    def _read(self, keys: Sequence[Key]) -> list[tuple[Row, ...]]:
        found: list[list[Row]] = [[] for _ in keys]
        with connection.cursor() as cursor:
            cursor.execute(self._statement, [list(part) for part in zip(*keys, strict=True)])
            for row in cursor.fetchall():
                found[row[0] - 1].append(row[1:])
        return [tuple(rows) for rows in found]
