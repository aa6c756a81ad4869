"""A failure after any statement of a checkout's transaction changes nothing.

The functions that a checkout calls are read from their .sql files. For each boundary between two statements the
function is installed with a failure there. Every scenario that passes the boundary then fails, and every row of every
table is as it was.
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
from tests.faults.bulk_scenarios import FOR_MANY
from tests.faults.entry_scenarios import BESIDE_A_CHECKOUT, ENTRIES_OF_A_CHECKOUT
from tests.faults.run_scenario import replaced_functions, run_scenario
from tests.faults.scenarios import CHECKOUTS, Scenario, ordinary_code, shop
from tests.faults.statement_boundaries import Boundary, Function, parse_functions
from tests.snapshot import only_changes

pytestmark = pytest.mark.django_db(transaction=True)

_PROJECT = Path(__file__).resolve().parents[2]
_FILES = (
    "orders/use_cases/checkout/place_orders.sql",
    "promos/use_cases/redeem.sql",
    "promos/use_cases/slots.sql",
    "promos/models/promos.sql",
    "billing/use_cases/ledger/grant_many.sql",
    "billing/models/ledger.sql",
)
FUNCTIONS: Mapping[str, Function] = {
    function.name: function for file in _FILES for function in parse_functions(_PROJECT / file)
}
CHECKOUT_FUNCTIONS = (
    "orders_place_orders",
    "orders_write_orders",
    "orders_complete_orders",
    "promos_redeem",
    "promos_write_redemptions",
    "promos_claim_slots_of_redemptions",
    "promos_claim_slots_of_code",
    "promos_lock_codes",
    "billing_lock_accounts",
    "billing_post_dated_grants",
    "billing_post_entry",
)
# Only a batch passes these (test_batch_failures.py), because it does not wait for accounts.
BOUNDARIES_OF_A_BATCH = {
    "orders_place_orders-02-in-if-not-wait-then",
    "orders_place_orders-03-after-perform-set_config-true",
    "promos_redeem-04-in-else",
    "promos_redeem-05-after-perform-set_config-true",
    "promos_redeem-20-in-if-expires-then",
    "promos_redeem-21-after-perform-billing_expire_credit-array-select-w",
    "billing_lock_accounts-04-in-else",
    "billing_lock_accounts-05-after-select-coalesce-array_agg-own-customer_id",
    "promos_lock_codes-06-after-end-if",
}
# Nothing passes these: they raise where the database contradicts itself.
IMPOSSIBLE = {
    "orders_place_orders-25-in-if-cardinality-written-is-distinct",
    "billing_post_dated_grants-03-in-if-posted-cardinality-new-grants",
}
BOUNDARIES = [
    boundary
    for name in CHECKOUT_FUNCTIONS
    for boundary in FUNCTIONS[name].boundaries
    if str(boundary) not in BOUNDARIES_OF_A_BATCH | IMPOSSIBLE
]
SCENARIOS_PER_BOUNDARY = 2

# The tables into which a checkout with a voucher and a key inserts; it only locks billing_customer.
INSERTED_TABLES = (
    "billing_invoice",
    "billing_ledgerentry",
    "billing_subscription",
    "billing_idempotencykey",
    "orders_order",
    "orders_orderline",
    "orders_outboxevent",
    "procrastinate_events",
    "procrastinate_jobs",
    "promos_redemption",
)
UPDATED_TABLES = ("billing_account", "billing_organization", "promos_promocounter")

Make = Callable[[], Scenario]


def assert_fails_at(boundary: Boundary, make: Make) -> None:
    """Assert that the scenario fails at the boundary without a change, and succeeds without the failure."""
    scenario = make()
    with replaced_functions({boundary.function: FUNCTIONS[boundary.function].failing_at(boundary)}):
        result = run_scenario(scenario)
    assert isinstance(result.outcome, InternalError)
    assert boundary.failure in str(result.outcome)
    assert result.after == result.before
    if scenario.held is None:
        assert isinstance(run_scenario(scenario).outcome, scenario.ends)


@cache
def scenarios_by_boundary() -> Mapping[str, list[Make]]:
    """Find the scenarios that pass each boundary, by running all of them with a notice at every boundary."""
    found: dict[str, list[Make]] = {}
    with replaced_functions({name: FUNCTIONS[name].with_notices() for name in CHECKOUT_FUNCTIONS}):
        for make in (*CHECKOUTS, *ENTRIES_OF_A_CHECKOUT):
            scenario = make()
            result = run_scenario(scenario)
            assert isinstance(result.outcome, scenario.ends)
            for boundary in dict.fromkeys(result.notices):
                found.setdefault(boundary, []).append(make)
    return found


def test_the_database_has_the_functions_of_the_files() -> None:
    for name, function in FUNCTIONS.items():
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
            [(body,)] = cursor.fetchall()
        assert f"$${body}$$" in function.definition


def test_scenarios_pass_every_boundary_and_there_is_one_after_every_statement() -> None:
    assert set(scenarios_by_boundary()) - BOUNDARIES_OF_A_BATCH == {str(boundary) for boundary in BOUNDARIES}
    assert len(BOUNDARIES) >= sum(FUNCTIONS[name].statements for name in CHECKOUT_FUNCTIONS) > 0


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_failure_at_a_boundary_changes_nothing(boundary: Boundary) -> None:
    for make in scenarios_by_boundary()[str(boundary)][:SCENARIOS_PER_BOUNDARY]:
        assert_fails_at(boundary, make)


@pytest.mark.parametrize("make", [*BESIDE_A_CHECKOUT, *FOR_MANY], ids=lambda make: make.__name__)
def test_a_failure_at_any_boundary_beside_a_checkout_changes_nothing(make: Make) -> None:
    with replaced_functions({name: function.with_notices() for name, function in FUNCTIONS.items()}):
        scenario = make()
        notices = set(run_scenario(scenario).notices)
    passed = [each for function in FUNCTIONS.values() for each in function.boundaries if str(each) in notices]
    assert len(passed) == len(notices) > 0
    for boundary in passed:
        assert_fails_at(boundary, make)


@pytest.mark.parametrize("table", INSERTED_TABLES)
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
            result = run_scenario(scenario)
        finally:
            cursor.execute("DROP FUNCTION fail_at_commit CASCADE")
    assert isinstance(result.outcome, InternalError)
    assert "injected at the commit" in str(result.outcome)
    assert result.after == result.before
    assert isinstance(run_scenario(scenario).outcome, PlacedOrder)


def test_a_checkout_writes_to_these_tables_and_no_others() -> None:
    buy = shop().buy()
    with only_changes(*INSERTED_TABLES, *UPDATED_TABLES):
        buy()


def test_control_writes_in_two_transactions_are_detected() -> None:
    """The fault that this service prevents: the voucher is redeemed, then the order fails."""
    shopping = shop()
    promo_code = shopping.promo_code
    assert promo_code is not None
    last = FUNCTIONS["orders_place_orders"].boundaries[-1]

    def redeem_and_buy() -> object:
        redeem(code=promo_code.code, user_id=shopping.customer.user_id, by=acting(shopping.customer))
        shopping_without_code = type(shopping)(
            organization=shopping.organization, plan=shopping.plan, addon=shopping.addon
        )
        return shopping_without_code.buy()()

    with replaced_functions({last.function: FUNCTIONS[last.function].failing_at(last)}):
        result = run_scenario(Scenario(act=redeem_and_buy, ends=PlacedOrder))

    assert isinstance(result.outcome, InternalError)
    assert result.after != result.before
    changed = {table for table in result.after if result.after[table] != result.before.get(table)}
    assert changed == {
        "public.billing_account",
        "public.billing_ledgerentry",
        "public.promos_promocounter",
        "public.promos_redemption",
    }
    assert Redemption.objects.count() == 1


def test_control_a_swallowed_failure_is_detected() -> None:
    """If the transaction swallowed an error, the order would exist without its event."""
    scenario = ordinary_code()
    statement = "  INSERT INTO orders_outboxevent"
    true_definition = function_definition("orders_complete_orders")
    swallowed = true_definition.replace(
        statement, f"  BEGIN RAISE SQLSTATE 'XX000'; EXCEPTION WHEN OTHERS THEN RETURN; END;\n{statement}"
    )
    assert swallowed != true_definition
    with replaced_functions({"orders_complete_orders": swallowed}):
        result = run_scenario(scenario)
    assert result.after != result.before
