"""Reads that arrive together share a statement, and each gets the rows of its own key."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from billing.database.shared_read import SharedRead

pytestmark = pytest.mark.django_db(transaction=True)
THREADS, ROUNDS = 8, 25
NOON = datetime(2026, 11, 28, 12, 0, 0, 5, tzinfo=UTC)
TEXTS = ("", "NULL", 'a"b', "a\\b\\", "{a,b}", " a ", "قسيمة", "a\nb", None)
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


@pytest.mark.parametrize("text", TEXTS)
def test_a_key_reaches_the_statement_as_it_is(text: str | None) -> None:
    shared = SharedRead(
        "SELECT position, text, at FROM unnest(%s::text[], %s::timestamptz[])"
        " WITH ORDINALITY AS asked (text, at, position)",
        list,
    )
    assert shared.read(text, NOON).value == [(text, NOON)]


def test_a_thread_without_a_connection_borrows_one_for_the_statement() -> None:
    shared = SharedRead(MULTIPLES, list)

    def read() -> tuple[object, object]:
        before = connection.connection
        assert shared.read(30, 2).value == [(2,), (4,)]
        with pytest.raises(DataError):
            shared.read(0, 1)
        return before, connection.connection

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(read).result() == (None, None)


def test_a_process_remembers_the_newest_values_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.database.shared_read.MAX_REMEMBERED", 2)
    shared = SharedRead(MULTIPLES, list)
    first = shared.read(30, 1)
    assert [shared.read(number, 1).value for number in (20, 15, 30)] == [[(3,)], [(4,)], [(2,)]]
    assert shared.read(30, 1) is not first


def test_a_traced_thread_uses_its_own_connection_so_that_the_statement_is_traced() -> None:
    traced = []

    def trace(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        traced.append(sql)
        return execute(sql, *rest)

    def read() -> None:
        with connection.execute_wrapper(trace):
            assert SharedRead(MULTIPLES, list).read(30, 1).value == [(2,)]
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(read).result()
    assert traced == [MULTIPLES]
