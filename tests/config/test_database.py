from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.db.models import Case, Count, F, Value, When
from django.db.models.functions import Coalesce, TruncMonth
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from billing.models import Account, Customer
from config.parts.database import PooledConnection, WorkerConnection, has_something_to_read
from tests.concurrency.wait_for import wait_until
from tests.database import parameters

pytestmark = pytest.mark.django_db


def show(setting: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {setting}")
        ((value,),) = cursor.fetchall()
    return str(value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lock_timeout", "5s"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("transaction_isolation", "read committed"),
        ("TimeZone", "UTC"),
        ("application_name", "qasima"),
    ],
)
def test_every_wait_is_bounded_and_the_session_is_as_the_code_expects(setting: str, value: str) -> None:
    assert show(setting) == value


def test_a_repeated_statement_of_the_orm_is_prepared_by_the_server() -> None:
    for n in range(7):
        assert not Customer.objects.filter(user_id=f"nobody-{n}").exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%%user_id%%'")
        statements = [statement for (statement,) in cursor.fetchall()]
    assert any('WHERE "billing_customer"."user_id" = $2' in statement for statement in statements)


@pytest.mark.parametrize("repetition", range(7))
def test_server_side_parameters_work_with_the_orms_statements(repetition: int) -> None:
    Customer.objects.create(user_id="a", email="a@example.org")
    month = Customer.objects.annotate(month=TruncMonth("created_at")).values("month").annotate(n=Count("pk"))
    assert [row["n"] for row in month.order_by("month")] == [1]
    named: Any = Coalesce("email", Value("none"))
    assert [row["n"] for row in Customer.objects.annotate(m=named).values("m").annotate(n=Count("pk"))] == [1]
    case: Any = Case(When(email="", then=Value("no")), default=Value("yes"))
    assert [
        row["n"] for row in Customer.objects.annotate(m=case).values("m").annotate(n=Count("pk")).order_by("m")
    ] == [1]
    assert Customer.objects.filter(user_id__in=["a", "b"], email__icontains="%").count() == 0
    assert Customer.objects.update(email=case) == 1
    assert list(Account.objects.annotate(free=F("balance_minor") - 5 - F("held_minor")).filter(free__gt=1)) == []
    assert [each.email for each in Customer.objects.iterator(chunk_size=1)] == ["yes"]


@contextmanager
def pooled() -> Iterator[PooledConnection]:
    with PooledConnection.connect(**parameters(connection.settings_dict["NAME"]), autocommit=True) as made:
        yield made


def statements_of(made: WorkerConnection | PooledConnection) -> str:
    """Return the last statement that the server received on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [made.info.backend_pid])
        return str(cursor.fetchone()[0])


def test_a_live_connection_is_checked_without_a_statement() -> None:
    with pooled() as made:
        made.execute("SELECT 'before'")
        ConnectionPool.check_connection(made)
        assert statements_of(made) == "SELECT 'before'"


def test_the_worker_checks_a_live_connection_without_a_statement_and_detects_an_ended_one() -> None:
    async def check() -> None:
        made = await WorkerConnection.connect(**parameters(connection.settings_dict["NAME"]), autocommit=True)
        await made.execute("SELECT 'before'")
        await AsyncConnectionPool.check_connection(made)
        assert await sync_to_async(statements_of)(made) == "SELECT 'before'"
        await sync_to_async(terminate)(made)
        with pytest.raises(psycopg.OperationalError):
            await AsyncConnectionPool.check_connection(made)
        await made.close()

    async_to_sync(check)()


def terminate(made: WorkerConnection | PooledConnection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [made.info.backend_pid])
    wait_until(lambda: has_something_to_read(made), "the server to close the session")


def test_a_connection_whose_server_process_has_ended_is_detected() -> None:
    with pooled() as made:
        terminate(made)
        with pytest.raises(psycopg.OperationalError):
            ConnectionPool.check_connection(made)


@pytest.mark.django_db(transaction=True)
def test_a_connection_with_a_notice_is_checked_and_kept() -> None:
    with pooled() as made:
        made.execute("LISTEN hearsay")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('hearsay', 'x')")
        ConnectionPool.check_connection(made)
        assert made.execute("SELECT 1").fetchone() == (1,)
