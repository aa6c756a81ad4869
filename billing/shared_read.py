"""Shared reads: requests of one process that arrive together share one statement, as commits do.

Front ends poll some endpoints every few seconds. Most of such an answer's time is the way to the database and back,
and a batch pays for it once.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from billing.group_commit import GroupCommit

Key = tuple[Any, ...]
Row = tuple[Any, ...]


class SharedRead:
    """A statement that reads rows for many keys.

    Args: statement: gets an array for each part of a key, and returns rows that begin with their key's position in
    the arrays, counted from 1.
    """

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._group: GroupCommit[Key, list[Row]] = GroupCommit(self._read)

    def rows(self, *key: Any) -> list[Row]:
        """Returns the rows of a key, without their position, as they are after the call began.

        Do not call it inside a transaction: another thread may run the statement.
        """
        rows = self._group.submit(key)
        # The database refused the whole batch: alone, the reason is raised.
        return self._read([key])[0] if rows is None else rows

    def _read(self, keys: Sequence[Key]) -> list[list[Row]]:
        found: list[list[Row]] = [[] for _ in keys]
        with connection.cursor() as cursor:
            cursor.execute(self._statement, [list(part) for part in zip(*keys, strict=True)])
            for position, *row in cursor.fetchall():
                found[position - 1].append(tuple(row))
        return found
