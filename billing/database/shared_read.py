"""Shared reads: requests of one process that arrive together share one statement, as commits do.

Front ends poll some endpoints every few seconds. Most of such an answer's time is the way to the database and back,
and a batch pays for it once. Most polls then find the same rows as the poll before, so a process also remembers what
it made of the rows that it read last.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection

from billing.database.group_commit import GroupCommit

Key = tuple[Any, ...]
Row = tuple[Any, ...]
# The columns of a key's rows, one after the other, as PostgreSQL sends them.
Text = tuple[bytes | None, ...]
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
    the arrays, counted from 1; make: makes the value of a key's rows.

    A statement that joins tables reads its first array through `ARRAY(SELECT unnest(...))`. PostgreSQL then estimates
    ten rows, whatever the array holds. It estimates ten for an unknown array too, so a plan that it keeps never seems
    dearer than a new one. Otherwise it plans the statement anew for each batch, which costs more than running it.
    """

    def __init__(self, statement: str, make: Callable[[tuple[Row, ...]], Value_co]) -> None:
        self._statement = statement
        self._make = make
        self._group: GroupCommit[Key, Read[Value_co]] = GroupCommit(self._read)
        self._remembered: dict[Text, Read[Value_co]] = {}

    def read(self, *key: Any) -> Read[Value_co]:
        """Returns what the rows of a key mean, as they are after the call began. Equal rows give the same object.

        Do not call it inside a transaction: another thread may run the statement.
        """
        # None: the database refused the whole batch. Alone, the reason is raised.
        return self._group.submit(key) or self._read([key])[0]

    def _read(self, keys: Sequence[Key]) -> list[Read[Value_co]]:
        """Reads the rows of the keys. Rows whose text is remembered are not converted to Python's types."""
        with _cursor() as cursor:
            cursor.execute(self._statement, [_array(part) for part in zip(*keys, strict=True)])
            result = cursor.pgresult
            columns = range(1, result.nfields)
            found: list[list[bytes | None]] = [[] for _ in keys]
            for row in range(result.ntuples):
                found[int(result.get_value(row, 0)) - 1] += [result.get_value(row, each) for each in columns]
            texts = [tuple(values) for values in found]
            known = self._remembered
            reads = [known[text] for text in texts if text in known]
            return reads if len(reads) == len(keys) else self._make_reads(texts, cursor.fetchall())

    def _make_reads(self, texts: Sequence[Text], fetched: Sequence[Row]) -> list[Read[Value_co]]:
        rows: list[list[Row]] = [[] for _ in texts]
        for position, *values in fetched:
            rows[position - 1].append(tuple(values))
        if len(self._remembered) + len(texts) > MAX_REMEMBERED:
            self._remembered = {}
        known = self._remembered
        return [
            known.get(text) or known.setdefault(text, Read(self._make(tuple(those))))
            for text, those in zip(texts, rows, strict=True)
        ]


def _array(values: Sequence[Any]) -> str:
    """Returns the values as PostgreSQL writes an array. psycopg takes five times as long for a list."""
    return "{" + ",".join("NULL" if value is None else _quote(str(value)) for value in values) + "}"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def _cursor() -> Iterator[Any]:
    """Opens a cursor for one statement.

    The thread's connection serves it if it is open, or if its statements are traced. Otherwise the pool lends one for
    this statement alone: Django would prepare it for any work, and keep it until the request ends.
    """
    pool = connection.pool  # type: ignore[attr-defined]
    if connection.connection is not None or connection.execute_wrappers or pool is None:
        with connection.cursor() as cursor:
            yield cursor
        return
    with connection.wrap_database_errors:
        pool.open()
        lent = pool.getconn()
        try:
            yield lent.cursor()
        finally:
            pool.putconn(lent)
