"""PostgreSQL keeps one plan of each shared read of tables, whatever the keys of a batch."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection

from billing.queries import find_signed_in_user, find_user_of_session
from orders.use_cases.apps import list_app_jobs
from orders.use_cases.organizations.list_organizations import list_organizations
from orders.use_cases.provisioning import find_provision
from tests.factories import CustomerFactory, acting

pytestmark = pytest.mark.django_db
# PostgreSQL plans the first executions of a prepared statement in any case, and compares their costs afterwards.
ALWAYS_PLANNED = 5

READS: dict[str, Callable[[], object]] = {
    "listed": lambda: list_organizations(by=acting(CustomerFactory.create()), limit=51),
    "billing_signinsession": lambda: find_user_of_session(session_id=uuid4()),
    "u.sub = asked.key": lambda: find_signed_in_user(user_id="nobody"),
    "orders_provision": lambda: find_provision._NEWEST.read(uuid4(), "nobody"),
    "orders_appjob": lambda: list_app_jobs._OWN.read(uuid4(), "nobody", 50),
}


@pytest.mark.parametrize("part", READS)
def test_a_shared_read_is_planned_once(part: str) -> None:
    for _ in range(4 * ALWAYS_PLANNED):
        READS[part]()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%%asked%%' AND strpos(statement, %s) > 0 AND generic_plans + custom_plans > 10",
            [part],
        )
        assert [planned for (planned,) in cursor.fetchall()] == [ALWAYS_PLANNED]
