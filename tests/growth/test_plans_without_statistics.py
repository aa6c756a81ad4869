"""Plans that a session makes while tables are small read by index when the tables have grown."""

import pytest

from tests.factories import OrganizationFactory, forget_prices
from tests.large_history import Connection
from tests.query_plans import record_plans

from .conftest import SMALL, create_shop
from .customer_actions import buy, next_customer, redeem_in_a_batch, redeem_voucher

# Entry points and triggers; the functions that they call are planned inside them.
WITHOUT_SEQUENTIAL_SCANS = {
    "orders_is_first_order",
    "orders_vat_facts",
    "promos_find_broken_restriction",
    "promos_count_uses",
    "promos_next_use",
    "promos_renumber_uses",
    "promos_within_restrictions",
    "promos_write_refused_attempts",
    "billing_apply_hold",
    "billing_lot_expiry_at",
    "billing_lots_at",
    "billing_position_at",
    "billing_version_at",
    "billing_check_closed",
    "billing_check_merge",
    "billing_check_transfer",
    "billing_expire_credit",
    "billing_lock_accounts",
    "billing_post_dated_grants",
    "billing_post_entry",
    "orders_complete_orders",
    "orders_place_orders",
    "promos_check_card",
    "promos_check_customer",
    "promos_check_references",
    "promos_claim_budget",
    "promos_claim_slots_of_code",
    "promos_find_cards",
    "promos_find_codes",
    "promos_lock_codes",
    "promos_redeem",
    "promos_redeem_and_read",
    "promos_return_budget",
    "promos_return_slot",
    "promos_within_budgets",
    "promos_write_cards",
    "promos_write_redemptions",
}
# Tables that are first analyzed after 1,000 rows.
ANALYZED_LATE = {
    "billing_lot",
    "billing_lotmove",
    "billing_account",
    "billing_customer",
    "billing_hold",
    "billing_invoice",
    "billing_ledgerentry",
    "billing_organization",
    "billing_subscription",
    "billing_idempotencykey",
    "orders_order",
    "orders_orderline",
    "orders_outboxevent",
    "orders_payment",
    "procrastinate_events",
    "procrastinate_jobs",
    "promos_redemption",
}


def redeem_and_buy() -> None:
    for code in ("GIFT", "HOT", "OPEN"):
        redeem_voucher(next_customer(), code)
        assert None not in redeem_in_a_batch([next_customer(), next_customer()], code)
        forget_prices()
        buy(next_customer(), code=code)
        # The price is cached now, so this checkout is batched.
        buy(next_customer(), code=code)


@pytest.fixture(scope="module")
def new_shop(empty_database: Connection) -> Connection:
    """Create a few customers with an organization, in a database without statistics."""
    create_shop()
    for number in range(1, 4 * 15 + 1):
        OrganizationFactory.create(customer__user_id=f"c-{number}")
    return empty_database


@pytest.mark.parametrize("generic", [False, True])
def test_without_statistics_all_plans_read_by_index(new_shop: Connection, generic: bool) -> None:
    with record_plans(generic=generic) as made:
        redeem_and_buy()
    assert made.sequential <= SMALL | {"promos_promocounter"}


@pytest.mark.parametrize("generic", [False, True])
def test_functions_read_by_index_with_statistics_of_empty_tables(new_shop: Connection, generic: bool) -> None:
    new_shop.execute("VACUUM ANALYZE")
    with record_plans(generic=generic) as made:
        redeem_and_buy()
    assert made.inside <= {"orders_webhookendpoint"}  # it has at most 50 rows that are not retired


def test_functions_of_a_rush_disable_sequential_scans(new_shop: Connection) -> None:
    rows = new_shop.execute("SELECT proname FROM pg_proc WHERE 'enable_seqscan=off' = ANY(proconfig)").fetchall()
    assert {name for (name,) in rows} == WITHOUT_SEQUENTIAL_SCANS


def test_tables_of_a_rush_are_not_analyzed_while_they_are_small(new_shop: Connection) -> None:
    rows = new_shop.execute(
        "SELECT relname FROM pg_class WHERE reloptions @> ARRAY['autovacuum_analyze_threshold=1000',"
        " 'autovacuum_vacuum_threshold=1000']"
    ).fetchall()
    assert {name for (name,) in rows} == ANALYZED_LATE


def test_the_table_of_redemptions_is_vacuumed_after_a_fixed_number_of_inserts(new_shop: Connection) -> None:
    rows = new_shop.execute(
        "SELECT relname FROM pg_class WHERE reloptions @> ARRAY['autovacuum_vacuum_insert_threshold=10000',"
        " 'autovacuum_vacuum_insert_scale_factor=0']"
    ).fetchall()
    assert rows == [("promos_redemption",)]
