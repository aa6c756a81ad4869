"""Statements of the console are planned for their values; those of others are prepared."""

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.database.custom_plans import planning_for_values
from billing.models import Customer
from config.parts.database import PREPARE_THRESHOLD
from tests.console import client_of, create_user

pytestmark = pytest.mark.django_db
TIMES = PREPARE_THRESHOLD + 3


def prepared_statements(part: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", [f"%{part}%"])
        return int(cursor.fetchone()[0])


@pytest.fixture
def client() -> Client:
    return client_of(create_user("superadmin"))


def test_a_page_of_the_console_prepares_no_statement(client: Client) -> None:
    address = reverse("admin:billing_auditentry_changelist")
    for number in range(TIMES):
        assert client.get(address, {"object_type": "order", "q": f"o-{number}"}).status_code == 200
    assert prepared_statements("billing_auditentry") == 0


def test_statements_are_prepared_before_and_after_a_page() -> None:
    def find(user_id: str) -> None:
        assert not Customer.objects.filter(user_id=user_id, language="ar").exists()

    with planning_for_values():
        for number in range(TIMES):
            find(f"c-{number}")
    assert prepared_statements('"billing_customer"."language" =') == 0
    for number in range(TIMES):
        find(f"c-{number}")
    assert prepared_statements('"billing_customer"."language" =') == 1
