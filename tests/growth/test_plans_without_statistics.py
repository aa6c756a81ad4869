"""Plans that are made while there is little to read, and kept while a rush fills the tables."""

import pytest

from tests.factories import OrganizationFactory, forget_prices
from tests.large_history import Connection
from tests.query_plans import record_plans

from .conftest import SMALL, make_shop
from .customer_actions import buy, next_customer, redeem_together, redeem_voucher

# Entry points and triggers: what they call is planned inside of them.
STEADY = {
    "billing_apply_hold",
    "billing_post_entry",
    "billing_post_grants",
    "orders_place_order",
    "orders_place_together",
    "orders_write_order",
    "promos_check_references",
    "promos_claim_slot",
    "promos_claim_together",
    "promos_redeem_code",
    "promos_redeem_together",
    "promos_return_slot",
}
# Whose first statistics come when there is something to gather.
GROWING = {
    "billing_account",
    "billing_customer",
    "billing_hold",
    "billing_invoice",
    "billing_ledgerentry",
    "billing_organization",
    "billing_subscription",
    "orders_idempotencykey",
    "orders_order",
    "orders_orderline",
    "orders_outboxevent",
    "orders_payment",
    "procrastinate_events",
    "procrastinate_jobs",
    "promos_redemption",
}


def everything() -> None:
    for code in ("GIFT", "HOT", "OPEN"):
        redeem_voucher(next_customer(), code)
        assert None not in redeem_together([next_customer(), next_customer()], code)
        forget_prices()
        buy(next_customer(), code=code)
        # The same basket again: at once.
        buy(next_customer(), code=code)


@pytest.fixture(scope="module")
def young(empty_database: Connection) -> Connection:
    """A handful of customers with an organization, and no statistics of anything."""
    make_shop()
    for number in range(1, 4 * 15 + 1):
        OrganizationFactory.create(customer__user_id=f"c-{number}")
    return empty_database


@pytest.mark.parametrize("generic", [False, True])
def test_without_statistics_everything_reads_by_index(young: Connection, generic: bool) -> None:
    with record_plans(generic=generic) as made:
        everything()
    assert made.sequential <= SMALL | {"promos_promocounter"}


@pytest.mark.parametrize("generic", [False, True])
def test_functions_read_by_index_though_statistics_say_that_there_is_nothing(
    young: Connection, generic: bool
) -> None:
    young.execute("VACUUM ANALYZE")
    with record_plans(generic=generic) as made:
        everything()
    assert made.inside == set()


def test_what_is_called_in_a_rush_keeps_to_indexes(young: Connection) -> None:
    rows = young.execute("SELECT proname FROM pg_proc WHERE 'enable_seqscan=off' = ANY(proconfig)").fetchall()
    assert {name for (name,) in rows} == STEADY


def test_no_table_of_a_rush_is_analyzed_while_it_is_small(young: Connection) -> None:
    rows = young.execute(
        "SELECT relname FROM pg_class WHERE reloptions @> ARRAY['autovacuum_analyze_threshold=1000',"
        " 'autovacuum_vacuum_threshold=1000']"
    ).fetchall()
    assert {name for (name,) in rows} == GROWING


def test_what_is_counted_is_vacuumed_after_as_many_rows_however_many_there_are(young: Connection) -> None:
    rows = young.execute(
        "SELECT relname FROM pg_class WHERE reloptions @> ARRAY['autovacuum_vacuum_insert_threshold=10000',"
        " 'autovacuum_vacuum_insert_scale_factor=0']"
    ).fetchall()
    assert rows == [("promos_redemption",)]
