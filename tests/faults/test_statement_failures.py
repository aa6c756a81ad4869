"""Any failure after any statement of a checkout's transaction: nothing has changed.

The functions that a checkout is made of are read from their .sql files, and each is installed once for every place
between two of its statements, with a failure there. Every scenario that comes by then fails there, and every row
of every table is as it was.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
from django.db import InternalError, connection

from orders.use_cases.checkout.place_order import PlacedOrder
from promos.models import Redemption
from promos.use_cases.redeem_code import redeem
from tests.concurrency.schema_changes import function_definition
from tests.factories import acting
from tests.faults.batches import FOR_MANY
from tests.faults.run_scenario import replaced_functions, run_scenario
from tests.faults.scenarios import BESIDE_A_CHECKOUT, THROUGH_A_CHECKOUT, Scenario, ordinary_code, shop
from tests.faults.statement_boundaries import Boundary, Function, parse_functions
from tests.snapshot import only_changes

pytestmark = pytest.mark.django_db(transaction=True)

_PROJECT = Path(__file__).resolve().parents[2]
_FILES = (
    "orders/use_cases/checkout/place_order.sql",
    "promos/use_cases/redeem.sql",
    "promos/use_cases/redeem_many.sql",
    "promos/use_cases/claim_place.sql",
    "promos/models/promos.sql",
    "billing/use_cases/grant_many.sql",
    "billing/models/ledger.sql",
)
FUNCTIONS: Mapping[str, Function] = {
    function.name: function for file in _FILES for function in parse_functions(_PROJECT / file)
}
OF_A_CHECKOUT = (
    "orders_place_order",
    "orders_write_order",
    "promos_open_redemption",
    "promos_claim_or_refuse",
    "promos_claim_slot",
    "promos_redeem",
    "promos_redeem_code",
    "billing_post_entry",
)
BOUNDARIES = [boundary for name in OF_A_CHECKOUT for boundary in FUNCTIONS[name].boundaries]
# As many of the scenarios that come by a boundary are played for it.
PLAYED_EACH = 2

# What a checkout with a voucher and a key writes to; billing_customer is only locked.
WRITTEN = (
    "billing_invoice",
    "billing_ledgerentry",
    "billing_subscription",
    "orders_idempotencykey",
    "orders_order",
    "orders_orderline",
    "orders_outboxevent",
    "procrastinate_events",
    "procrastinate_jobs",
    "promos_redemption",
)
UPDATED = ("billing_account", "billing_organization", "promos_promocounter")

Make = Callable[[], Scenario]


def assert_fails_at(boundary: Boundary, make: Make) -> None:
    """The scenario fails at the boundary, nothing has changed, and without the failure it ends as it should."""
    scenario = make()
    with replaced_functions({boundary.function: FUNCTIONS[boundary.function].failing_at(boundary)}):
        played = run_scenario(scenario)
    assert isinstance(played.ended, InternalError)
    assert boundary.failure in str(played.ended)
    assert played.after == played.before
    if scenario.held is None:
        assert isinstance(run_scenario(scenario).ended, scenario.ends)


@cache
def passing_by() -> Mapping[str, list[Make]]:
    """The scenarios that come by each boundary, found by playing them all with a notice at every boundary."""
    found: dict[str, list[Make]] = {}
    with replaced_functions({name: FUNCTIONS[name].telling() for name in OF_A_CHECKOUT}):
        for make in THROUGH_A_CHECKOUT:
            scenario = make()
            played = run_scenario(scenario)
            assert isinstance(played.ended, scenario.ends)
            for boundary in dict.fromkeys(played.told):
                found.setdefault(boundary, []).append(make)
    return found


def test_the_installed_functions_are_those_of_the_files() -> None:
    for name, function in FUNCTIONS.items():
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
            [(body,)] = cursor.fetchall()
        assert f"$${body}$$" in function.definition


def test_every_boundary_is_come_by_and_there_are_more_than_statements() -> None:
    assert set(passing_by()) == {str(boundary) for boundary in BOUNDARIES}
    assert len(BOUNDARIES) >= sum(FUNCTIONS[name].statements for name in OF_A_CHECKOUT) > 0


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_failure_there_changes_nothing(boundary: Boundary) -> None:
    for make in passing_by()[str(boundary)][:PLAYED_EACH]:
        assert_fails_at(boundary, make)


@pytest.mark.parametrize("make", [*BESIDE_A_CHECKOUT, *FOR_MANY], ids=lambda make: make.__name__)
def test_a_failure_anywhere_in_what_is_done_beside_a_checkout_changes_nothing(make: Make) -> None:
    with replaced_functions({name: function.telling() for name, function in FUNCTIONS.items()}):
        scenario = make()
        told = set(run_scenario(scenario).told)
    passed = [each for function in FUNCTIONS.values() for each in function.boundaries if str(each) in told]
    assert len(passed) == len(told) > 0
    for boundary in passed:
        assert_fails_at(boundary, make)


@pytest.mark.parametrize("table", WRITTEN)
def test_a_failure_at_the_commit_changes_nothing(table: str) -> None:
    scenario = ordinary_code()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION SQLSTATE 'XX000' USING MESSAGE = 'injected at the commit'; END $$;
            CREATE CONSTRAINT TRIGGER fail_at_commit AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
              FOR EACH ROW EXECUTE FUNCTION fail_at_commit();
            """
        )
        try:
            played = run_scenario(scenario)
        finally:
            cursor.execute("DROP FUNCTION fail_at_commit CASCADE")
    assert isinstance(played.ended, InternalError)
    assert "injected at the commit" in str(played.ended)
    assert played.after == played.before
    assert isinstance(run_scenario(scenario).ended, PlacedOrder)


def test_a_checkout_writes_to_these_tables_and_no_others() -> None:
    buy = shop().buy()
    with only_changes(*WRITTEN, *UPDATED):
        buy()


def test_control_writes_in_two_transactions_are_seen() -> None:
    """The fault that this service ends: the voucher is redeemed, then the order fails."""
    shopping = shop()
    promo_code = shopping.promo_code
    assert promo_code is not None
    last = FUNCTIONS["orders_place_order"].boundaries[-1]

    def redeem_and_buy() -> object:
        redeem(code=promo_code.code, user_id=shopping.customer.user_id, by=acting(shopping.customer))
        shopping_without_code = type(shopping)(
            organization=shopping.organization, plan=shopping.plan, addon=shopping.addon
        )
        return shopping_without_code.buy()()

    with replaced_functions({last.function: FUNCTIONS[last.function].failing_at(last)}):
        played = run_scenario(Scenario(act=redeem_and_buy, ends=PlacedOrder))

    assert isinstance(played.ended, InternalError)
    assert played.after != played.before
    changed = {table for table in played.after if played.after[table] != played.before.get(table)}
    assert changed == {
        "public.billing_account",
        "public.billing_ledgerentry",
        "public.promos_promocounter",
        "public.promos_redemption",
    }
    assert Redemption.objects.count() == 1


def test_control_a_failure_that_is_swallowed_is_seen() -> None:
    """Were an error inside the transaction caught and passed over, the order would be there without its event."""
    scenario = ordinary_code()
    written = "  INSERT INTO orders_outboxevent"
    true_definition = function_definition("orders_write_order")
    swallowed = true_definition.replace(
        written, f"  BEGIN RAISE SQLSTATE 'XX000'; EXCEPTION WHEN OTHERS THEN RETURN; END;\n{written}"
    )
    assert swallowed != true_definition
    with replaced_functions({"orders_write_order": swallowed}):
        played = run_scenario(scenario)
    assert played.after != played.before
