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
    shared = SharedRead(MULTIPLES)
    together = Barrier(THREADS)

    def read(number: int) -> list[list[tuple[int]]]:
        together.wait()
        try:
            return [shared.rows(number, number) for _ in range(ROUNDS)]
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(read, range(1, THREADS + 1)))
    for number, answer in enumerate(answers, 1):
        assert answer == [[(60 // number * factor,) for factor in range(1, number + 1)]] * ROUNDS


def test_a_single_read_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert SharedRead(MULTIPLES).rows(7, 0) == []
    assert len(queries) == 1


def test_a_read_that_the_database_refuses_raises_the_reason_and_fails_no_other() -> None:
    shared = SharedRead(MULTIPLES)
    with pytest.raises(DataError):
        shared.rows(0, 1)
    assert shared.rows(30, 1) == [(2,)]
