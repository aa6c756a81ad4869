from typing import Any

import pytest
from django.db import connection
from django.db.models import Case, Count, F, Value, When
from django.db.models.functions import Coalesce, TruncMonth

from billing.models import Account, Customer

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
def test_parameters_bound_by_the_server_suit_what_the_orm_makes_of_them(repetition: int) -> None:
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
