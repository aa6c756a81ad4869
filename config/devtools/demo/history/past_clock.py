from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import time_machine
from django.db import connection, transaction

_SQL = (Path(__file__).parent / "past_clock.sql").read_text(encoding="utf-8")


class PastClock:
    """The time of this process and of its transaction. It only moves on when it is moved."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def move_to(self, moment: datetime) -> None:
        """Sets both clocks to this instant."""
        self._traveller.move_to(moment, tick=False)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('qasima_past.now', %s, true)", [moment.isoformat()])


@contextmanager
def past_clock(moment: datetime) -> Iterator[PastClock]:
    """Runs the block in one transaction, in which use cases, triggers and defaults read a clock of the past.

    Nobody else may use the database meanwhile: the transaction locks all tables.
    """
    with transaction.atomic(), time_machine.travel(moment, tick=False) as traveller, connection.cursor() as cursor:
        clock = PastClock(traveller)
        clock.move_to(moment)
        cursor.execute(_SQL)
        cursor.execute("SELECT qasima_past.begin()")
        yield clock
        cursor.execute("SELECT qasima_past.finish()")
        cursor.execute("DROP FUNCTION qasima_past.begin(), qasima_past.finish()")
        cursor.execute("DROP SCHEMA qasima_past")
        cursor.execute("SET LOCAL search_path TO DEFAULT")
