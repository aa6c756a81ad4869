from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from billing.models import RateLimitWindow
from billing.use_cases.count_attempt import PREVIEWS, count_hit, read_limit

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.api.probe")]

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def three_a_minute(settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "3/min"


def ask(api: Client, address: str = "192.0.2.7", path: str = "/api/limited") -> Any:
    return api.post(path, REMOTE_ADDR=address)


def statuses(api: Client, count: int, **options: Any) -> list[int]:
    return [ask(api, **options).status_code for _ in range(count)]


def end_windows() -> None:
    RateLimitWindow.objects.update(ends_at=LONG_AGO)


def test_past_the_limit_it_is_a_429_that_says_when_to_come_again(api: Client) -> None:
    assert statuses(api, 3) == [200, 200, 200]
    answer = ask(api)
    assert answer.status_code == 429
    assert answer.json() == {"error": "too many requests: try again later", "code": "throttled"}
    assert 50 <= int(answer.headers["Retry-After"]) <= 60


def test_a_new_window_starts_the_count_at_zero(api: Client) -> None:
    statuses(api, 4)
    end_windows()
    assert statuses(api, 4) == [200, 200, 200, 429]


def test_being_refused_does_not_make_the_window_longer(api: Client) -> None:
    statuses(api, 3)
    ends_at = RateLimitWindow.objects.get().ends_at
    statuses(api, 5)
    window = RateLimitWindow.objects.get()
    assert (window.ends_at, window.hits) == (ends_at, 4)


def test_clients_and_scopes_are_counted_apart(api: Client) -> None:
    assert statuses(api, 4) == [200, 200, 200, 429]
    assert statuses(api, 4, address="192.0.2.8") == [200, 200, 200, 429]
    assert statuses(api, 4, path="/api/other") == [200, 200, 200, 429]


def test_a_network_of_one_ipv6_customer_is_one_client(api: Client) -> None:
    assert [ask(api, f"2001:db8:1:1::{n}").status_code for n in range(4)] == [200, 200, 200, 429]
    assert ask(api, "2001:db8:1:2::1").status_code == 200


def test_clients_without_an_address_share_a_window(api: Client) -> None:
    assert statuses(api, 4, address="") == [200, 200, 200, 429]


def test_no_address_is_kept(api: Client) -> None:
    ask(api)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(w)::text FROM billing_ratelimitwindow w")
        ((row,),) = cursor.fetchall()
    assert "192.0.2" not in row


def test_windows_that_ended_are_removed_by_the_way(api: Client) -> None:
    ended = [RateLimitWindow(key=f"old-{n}", hits=1, ends_at=LONG_AGO + timedelta(n)) for n in range(30)]
    RateLimitWindow.objects.bulk_create(ended)
    ask(api)
    assert set(RateLimitWindow.objects.filter(key__startswith="old").values_list("key", flat=True)) == {
        f"old-{n}" for n in range(20, 30)
    }
    ask(api)
    assert RateLimitWindow.objects.count() == 11
    ask(api, "192.0.2.8")
    assert RateLimitWindow.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_windows_that_cannot_be_removed_make_no_attempt_count_twice(
    api: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER test_kept BEFORE DELETE ON billing_ratelimitwindow"
            " FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('kept')"
        )
        try:
            assert statuses(api, 1) == [200]
            assert RateLimitWindow.objects.get().hits == 1
            assert "ended windows were not removed" in caplog.text
            # Inside another's transaction the failure has undone the count too, and is raised.
            with pytest.raises(DatabaseError, match="kept"), transaction.atomic():
                count_hit(read_limit(*PREVIEWS), "192.0.2.8")
            assert RateLimitWindow.objects.count() == 1
        finally:
            cursor.execute("DROP TRIGGER test_kept ON billing_ratelimitwindow")


def test_counting_costs_one_statement(api: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        ask(api)
    for _ in range(4):
        with django_assert_num_queries(1):
            ask(api)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_counted_exactly(settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "20/min"
    barrier = Barrier(8)

    def ask_eight_times(_: int) -> list[int]:
        barrier.wait()
        try:
            return statuses(Client(), 8)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = [each for asked in threads.map(ask_eight_times, range(8)) for each in asked]
    assert (answers.count(200), answers.count(429)) == (20, 44)


def test_the_table_is_unlogged() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'billing_ratelimitwindow'")
        assert cursor.fetchone() == ("u",)
