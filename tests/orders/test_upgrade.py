"""The database of the last release is upgraded to what this code installs anew, and serves old and new processes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connection
from pytest_django import DjangoDbBlocker

from billing.models import Account, Customer, Organization
from orders.models import AddOn, Order
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.models import PromoCode, Redemption
from promos.use_cases import redeem_code
from tests.database import cloned_database, disconnect, parameters, use_database
from tests.factories import acting
from tests.schema import SCHEMA, rows

pytestmark = pytest.mark.django_db

RELEASES = sorted(Path(__file__).parents[1].glob("releases/*.sql"))
# What a process of the release may call: its functions that are no triggers.
CALLABLE = """
SELECT oid::regprocedure::text, pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND proname ~ '^(billing|promos|orders)_'
   AND prorettype <> 'trigger'::regtype
"""
OF_LIST = re.compile(r"\(ARRAY\[([^]]*)\]\)::text\[\]")
OF_ELEMENT = re.compile(r"\(('[^']*'::character varying)\)::text")
# The apps whose tables ours refer to, and that need none of ours.
BEFORE = ("auth", "contenttypes", "procrastinate")


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """The schema of a fresh database and the functions of the release, to compare the upgrade with."""

    fresh: list[tuple[str, ...]]
    released: list[tuple[str, ...]]


@pytest.fixture(scope="module", params=RELEASES, ids=lambda path: path.stem)
def upgraded(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Upgraded]:
    """A database of a release, upgraded; Django is back at this process's own database afterwards."""
    own = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        fresh = schema()
        try:
            with cloned_database("upgrade") as name:
                restore(name, request.param.read_text())
                released = rows(CALLABLE)
                call_command("migrate", interactive=False, verbosity=0)
                yield Upgraded(fresh=fresh, released=released)
        finally:
            use_database(own)


def restore(name: str, dump: str) -> None:
    """Empties a database, and restores a release's tables beside those of other apps."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public, pristine CASCADE; CREATE SCHEMA public")
    disconnect()
    for app in BEFORE:
        # Django's own: ours would install the SQL of this code.
        call_command(DjangoMigrate(), app, interactive=False, verbosity=0)
    disconnect()
    with psycopg.connect(**parameters(name), autocommit=True) as restoring:
        restoring.execute(dump.encode())


def schema() -> list[tuple[str, ...]]:
    """The schema, without what PostgreSQL writes otherwise once a dump is restored."""
    return [tuple(comparable(kind, part) for part in (kind, *parts)) for kind, *parts in rows(SCHEMA)]


def comparable(kind: str, part: str) -> str:
    """A restored IN list has a cast for each element instead of one for all, and restored ORs are not nested."""
    flat = OF_LIST.sub(r"ARRAY[\1]", OF_ELEMENT.sub(r"\1", part))
    return re.sub("[()]", "", flat) if kind == "trigger" else flat


def test_there_is_a_release_to_upgrade_from() -> None:
    assert len(RELEASES) == 1


def test_upgraded_schema_is_the_fresh_one(upgraded: Upgraded) -> None:
    kept = {("function", name) for name, *_ in upgraded.released}
    found = schema()
    assert [row for row in upgraded.fresh if row not in found] == []
    # Functions that running processes of the release may still call are the only ones that may be left.
    assert [row for row in found if row not in upgraded.fresh and row[:2] not in kept] == []


def test_functions_of_the_release_can_still_be_called(upgraded: Upgraded) -> None:
    assert upgraded.released
    found = rows(CALLABLE)
    assert [function for function in upgraded.released if function not in found] == []


def test_upgraded_rows_add_up(upgraded: Upgraded) -> None:
    call_command("verify_ledger", verbosity=0)
    call_command("verify_redemptions", verbosity=0)


def test_upgraded_rows_name_items_by_id(upgraded: Upgraded) -> None:
    backup = str(AddOn.objects.get(slug="backup").id)
    assert Order.objects.get().addons == Organization.objects.get(slug="acme").addons == [backup]


def test_upgraded_database_redeems_and_sells(upgraded: Upgraded) -> None:
    bob = Customer.objects.get(user_id="bob")
    code = PromoCode.objects.get(code="OPEN")
    before = Account.objects.get(customer=bob).balance_minor
    redemption = redeem_code.redeem(code=code.code, user_id="bob", by=acting(bob))
    assert redemption.status == Redemption.Status.CONFIRMED
    tenant = Organization.objects.get(slug="bobs")
    placed = place_order(request=CheckoutRequest(tenant_id=tenant.id, plan="m"), by=acting(bob))
    after = Account.objects.get(customer=bob).balance_minor
    assert (placed.balance_minor, after) == (before + code.credit_minor - 9_000,) * 2
    call_command("verify_ledger", verbosity=0)
    call_command("verify_redemptions", verbosity=0)
