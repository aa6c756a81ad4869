"""Reads that arrive together share a statement, and each gets the rows of its own key."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from billing.shared_read import SharedRead

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, ROUNDS = 8, 25
MULTIPLES = """
SELECT asked.position, 60 / asked.number * factor
  FROM unnest(%s::int[], %s::int[]) WITH ORDINALITY AS asked (number, times, position)
 CROSS JOIN LATERAL generate_series(1, asked.times) AS factor
 ORDER BY asked.position, factor
"""


def test_each_read_gets_its_own_rows_in_their_order() -> None:
    shared = SharedRead(MULTIPLES, list)
    together = Barrier(THREADS)

    def read(number: int) -> list[list[tuple[int]]]:
        together.wait()
        try:
            return [shared.read(number, number).value for _ in range(ROUNDS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(read, range(1, THREADS + 1)))
    for number, answer in enumerate(answers, 1):
        assert answer == [[(60 // number * factor,) for factor in range(1, number + 1)]] * ROUNDS


def test_a_single_read_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert SharedRead(MULTIPLES, list).read(7, 0).value == []
    assert len(queries) == 1


def test_a_read_that_the_database_refuses_raises_the_reason_and_fails_no_other() -> None:
    shared = SharedRead(MULTIPLES, list)
    with pytest.raises(DataError):
        shared.read(0, 1)
    assert shared.read(30, 1).value == [(2,)]


def test_the_value_of_equal_rows_is_made_once_and_other_rows_give_another() -> None:
    shared = SharedRead(MULTIPLES, list)
    first = shared.read(30, 2)
    assert shared.read(30, 2) is first
    assert shared.read(20, 2).value == [(3,), (6,)]
    assert first.value == [(2,), (4,)]
