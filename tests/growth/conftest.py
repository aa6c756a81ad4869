"""Fixtures: a database with tens of thousands of rows and their statistics, beside that of other tests."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.database import cloned_database, parameters, use_database
from tests.factories import AddOnFactory, AppFactory, PlanFactory, PromoCodeFactory
from tests.large_history import Connection, insert_large_history
from tests.promos.cards.make_batch import active as active_batch

ENTRIES, CODES = 50_000, 5_000
REFUSED_ATTEMPTS = """
INSERT INTO promos_refusedattempt (act, rule, code, code_hash, user_id, address, channel, created_at)
SELECT 'redemption', 'promo_not_found', '…', md5(n::text), 'c-' || n %% 5000, '203.0.113.9', 'api',
       now() - n * interval '1 minute'
  FROM generate_series(1, %s) AS n
"""
# Tables that do not grow with the number of customers or orders.
SMALL = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "billing_processorsettings",
    "billing_proposal",  # has none here; the open ones, which are few, have an index
    "billing_user",
    "billing_user_groups",
    "billing_user_user_permissions",
    "django_content_type",
    "django_session",
    "orders_addon",
    "orders_app",
    "orders_catalogversion",
    "orders_document",  # has none here; its order and its day have indexes
    "orders_documentcursor",
    "orders_bundle",
    "orders_plan",
    "orders_vatrate",
    "orders_webhookdelivery",  # has none here; the delivered ones have an index
    "orders_deadletter",  # what was set aside is the exception
    "orders_webhookendpoint",  # at most 50 that are not retired
    "orders_unsettledapp",  # has rows only while jobs run, or after they failed
    "pg_database",
    "promos_batch",
    "promos_budgetcounter",
    "promos_campaign",
    "promos_printerfile",  # one for each secret batch
    "promos_campaignfigures",
    "promos_codefigures",  # has none here; a row is found by its code
    "promos_dealer",  # a shop has one row
    "promos_dealerfigures",
    "promos_dealerbatchfigures",  # has none here; a row for each dealer of a batch
    "promos_cardrange",  # has none here; the ranges of a batch have an index
    "usersessions_usersession",  # has none here; removed in the order of its key
}


@pytest.fixture(scope="module")
def empty_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Connection]:
    """Point Django at an empty migrated database, and yield a direct connection to it."""
    name = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        try:
            with cloned_database("growth") as made, psycopg.connect(**parameters(made), autocommit=True) as direct:
                yield direct
        finally:
            use_database(name)


@pytest.fixture(scope="module")
def grown(empty_database: Connection) -> Connection:
    """Fill the empty database with a large history, a catalog, and the codes GIFT, HOT and OPEN."""
    create_shop()
    active_batch("CARDS", size=20_000)
    empty_database.execute(REFUSED_ATTEMPTS, [ENTRIES])
    insert_large_history(empty_database, entries=ENTRIES, codes=CODES)
    return empty_database


def create_shop() -> None:
    """Create a catalog, and a code of each kind."""
    PlanFactory.create(slug="m", price_minor=9_000)
    AddOnFactory.create(slug="backup", price_minor=500)
    AppFactory.create(slug="wordpress")
    PromoCodeFactory.create(code="GIFT", max_redemptions=100_000)
    PromoCodeFactory.create(code="HOT", max_redemptions=100_000, hot=True)
    PromoCodeFactory.create(code="OPEN")
