"""A checkout and a redemption write an exact number of rows, and read few, however long the history."""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection

from billing.models import Customer
from promos.models.promo_code import HOT_COUNTERS
from tests.factories import forget_prices
from tests.large_history import Connection, insert_large_history

from .conftest import CODES, ENTRIES, create_shop
from .customer_actions import buy, new_customers, redeem_voucher

Cost = dict[str, int]
WRITTEN = "n_tup_ins + n_tup_upd + n_tup_del"
READ = "seq_tup_read + coalesce(idx_tup_fetch, 0)"
# Per table. A foreign key is checked once for each row that has it, and an updated row is read once more.
MAX_ROWS_READ = 12
# So many times a statement is planned anew, by psycopg and then by the server, before its plan is kept.
EXECUTIONS_BEFORE_KEPT_PLAN = 11
# The free slots of a hot code are summed, then a counter with a free slot is found and claimed. The context of a
# first checkout reads one counter more.
ROWS_READ_OF_HOT_CODE = {
    "redemption, hot code": (HOT_COUNTERS + 2, HOT_COUNTERS + 2),
    "checkout, hot code": (HOT_COUNTERS + 3, HOT_COUNTERS + 2),
}

REDEMPTION = {"billing_account": 1, "billing_ledgerentry": 1, "promos_redemption": 1}
CHECKOUT = {
    "billing_account": 2,
    "billing_invoice": 1,
    "billing_ledgerentry": 2,
    "billing_organization": 1,
    "billing_subscription": 1,
    "billing_idempotencykey": 1,
    "orders_order": 1,
    "orders_orderline": 2,
    "orders_outboxevent": 1,
    "procrastinate_events": 2,
    "procrastinate_jobs": 2,
    "promos_redemption": 1,
}
COUNTED = {"promos_promocounter": 1}
ACTS: dict[str, tuple[Callable[[Customer], object], Cost]] = {
    "redemption, ordinary code": (lambda customer: redeem_voucher(customer, "GIFT"), REDEMPTION | COUNTED),
    "redemption, hot code": (lambda customer: redeem_voucher(customer, "HOT"), REDEMPTION | COUNTED),
    "redemption, uncapped code": (lambda customer: redeem_voucher(customer, "OPEN"), REDEMPTION),
    "checkout, ordinary code": (lambda customer: buy(customer, code="GIFT"), CHECKOUT | COUNTED),
    "checkout, hot code": (lambda customer: buy(customer, code="HOT"), CHECKOUT | COUNTED),
    "checkout, uncapped code": (lambda customer: buy(customer, code="OPEN"), CHECKOUT),
}
_customers: list[Customer] = []


@pytest.fixture(scope="module", params=[0, ENTRIES], ids=["no history", "a long history"])
def direct(request: pytest.FixtureRequest, empty_database: Connection) -> Connection:
    """Create a shop whose customers have no history, in an empty database and beside a large history."""
    if request.param:
        empty_database.execute("SELECT pristine.restore()")
        insert_large_history(empty_database, entries=request.param, codes=CODES)
    create_shop()
    _customers[:] = new_customers(4 * len(ACTS) + EXECUTIONS_BEFORE_KEPT_PLAN)
    # As long as a session plans a statement each time, planning reads the ends of indexes too.
    for _ in range(EXECUTIONS_BEFORE_KEPT_PLAN):
        forget_prices()
        buy(_customers.pop(), code="OPEN")
    return empty_database


@pytest.mark.parametrize("name", ACTS)
def test_rows_written_are_exact_and_rows_read_are_few(direct: Connection, name: str) -> None:
    """The first act is that of a process that has just started; a second checkout of the basket is batched.

    Reads are counted after the writes, because a session's first plan of a statement also reads the ends of indexes.
    """
    act, written = ACTS[name]
    assert [_cost(direct, WRITTEN, partial(act, _customers.pop())) for _ in range(2)] == [written, written]
    forget_prices()
    for counters_read in ROWS_READ_OF_HOT_CODE.get(name, (0, 0)):
        cost = _cost(direct, READ, partial(act, _customers.pop()))
        expected = {"promos_promocounter": counters_read} if counters_read else {}
        assert {table: number for table, number in cost.items() if number > MAX_ROWS_READ} == expected


def _cost(direct: Connection, figure: str, act: Callable[[], object]) -> Cost:
    """Return by table what `act` adds to a statistic, with sequential scans off as in a large table."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        before = _figures(direct, figure)
        act()
        cursor.execute("SELECT pg_stat_force_next_flush()")
        after = _figures(direct, figure)
        cursor.execute("RESET enable_seqscan")
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def _figures(direct: Connection, figure: str) -> Cost:
    rows = direct.execute(
        f"SELECT relname, {figure} FROM pg_stat_user_tables WHERE schemaname = 'public'".encode()
    ).fetchall()
    return {name: int(number) for name, number in rows}
