"""Any failure after any statement of a batch: nothing of the batch is there, and each of its requests goes on alone.

As in test_statement_failures.py, the functions are read from their .sql files and installed once for every place
between two of their statements, with a failure there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import pytest
from django.db import IntegrityError, InternalError, connection

from orders.models import Order, OutboxEvent
from orders.use_cases.checkout.place_order import PlacedOrder
from promos.errors import PromoExhausted
from promos.models import Redemption
from tests.concurrency.hold_batches import block_leader, record_batches
from tests.concurrency.schema_changes import function_definition, replace_text
from tests.concurrency.threads import ThreadGroup
from tests.consistency import ledger_and_redemptions_agree
from tests.database import restore_pristine
from tests.faults.batch_scenarios import BATCHES, SIZE, Batch, bought_ordinary, redeemed_ordinary
from tests.faults.run_scenario import replaced_functions, run_scenario
from tests.faults.statement_boundaries import Boundary
from tests.faults.test_statement_failures import CHECKOUT_FUNCTIONS, FUNCTIONS, IMPOSSIBLE
from tests.snapshot import snapshot

pytestmark = pytest.mark.django_db(transaction=True)

# A request alone comes by these and a batch does not: it waits for accounts and organizations, and
# only it replaces a subscription, whose unused month it credits.
OF_A_REQUEST_ALONE = {
    "orders_place_orders-06-in-if-wait-then",
    "orders_place_orders-07-after-perform-from-billing_organization-where-id",
    "orders_place_orders-08-in-if-new_orders-1-proration-is",
    "orders_place_orders-09-after-perform-from-billing_subscription-where-id",
    "orders_place_orders-10-after-unused_minor-orders_unused_minor-new_orders-1-replaces",
    "orders_place_orders-11-after-end-if",
    "orders_place_orders-28-in-if-unused_minor-0-then",
    "orders_place_orders-29-after-insert-into-billing_dated_grants-select-array_agg",
    "promos_redeem-02-in-if-wait-then",
    "promos_redeem-03-after-perform-billing_lock_accounts-array-select-r",
    "billing_lock_accounts-02-in-if-wait-then",
    "billing_lock_accounts-03-after-select-coalesce-array_agg-own-customer_id",
    "promos_lock_codes-03-in-if-wait-then",
    "promos_lock_codes-04-after-perform-pg_advisory_xact_lock_shared-promos_campaign_lock_key-id-from",
    "promos_lock_codes-05-after-perform-pg_advisory_xact_lock_shared-promos_lock_key-id-from",
}
OF_A_BATCH = [name for name in CHECKOUT_FUNCTIONS if not name.startswith("billing_post_")]
BOUNDARIES = [
    boundary
    for name in OF_A_BATCH
    for boundary in FUNCTIONS[name].boundaries
    if str(boundary) not in OF_A_REQUEST_ALONE | IMPOSSIBLE
]
# Functions that fail for the batch, and for each request alone.
SHARED = [
    (redeemed_ordinary, "billing_post_dated_grants"),
    (bought_ordinary, "billing_post_entry"),
    (bought_ordinary, "promos_write_redemptions"),
    (bought_ordinary, "orders_write_orders"),
]
# As many of the batches that come by a boundary are result for it.
SCENARIOS_PER_BOUNDARY = 2

Make = Callable[[], Batch]


def run_calls(batch: Batch) -> Sequence[object]:
    """All calls at the same moment, so that they make one batch; what each ends in."""
    with ThreadGroup(len(batch.calls)) as threads, block_leader(batch.queue) as leader:
        under_way = threads.start(batch.calls)
        leader.wait_for(len(batch.calls))
        leader.release()
        return under_way.finish().outcomes


@contextmanager
def changed_functions(definitions: Mapping[str, str]) -> Iterator[None]:
    """These definitions, with which a batch waits for a lock as long as a test holds it."""
    patient = {
        name: definitions.get(name, FUNCTIONS[name].definition) for name in ("orders_place_orders", "promos_redeem")
    }
    patient = {name: replace_text(text, "'250ms'", "'30s'") for name, text in patient.items()}
    with replaced_functions({**definitions, **patient}):
        yield


@contextmanager
def failing_once(boundary: Boundary) -> Iterator[None]:
    """The function fails at the boundary for the batch, and no more for its requests alone."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE injected_failures")
        failing = FUNCTIONS[boundary.function].failing_once_at(boundary, sequence="injected_failures")
        try:
            with replaced_functions({boundary.function: failing}):
                yield
        finally:
            cursor.execute("DROP SEQUENCE injected_failures")


@cache
def passing_by() -> Mapping[str, list[Make]]:
    """The batches that come by each boundary, found by playing them all with a notice at every boundary."""
    found: dict[str, list[Make]] = {}
    with changed_functions({name: FUNCTIONS[name].with_notices() for name in OF_A_BATCH}):
        for make in BATCHES:
            batch = make()
            result = run_scenario(batch.scenario)
            assert isinstance(result.outcome, IntegrityError | PromoExhausted if batch.held else list)
            for boundary in dict.fromkeys(result.notices):
                found.setdefault(boundary, []).append(make)
    # Played in the midst of the first test that needs it, and some of them count slots that nobody took.
    restore_pristine()
    return found


def test_every_boundary_is_passed_and_there_are_more_than_statements() -> None:
    assert set(passing_by()) == {str(boundary) for boundary in BOUNDARIES}
    assert len(BOUNDARIES) >= sum(FUNCTIONS[name].statements for name in OF_A_BATCH) > 0


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_batch_that_fails_leaves_nothing_and_each_of_its_requests_ends_as_alone(boundary: Boundary) -> None:
    for make in passing_by()[str(boundary)][:SCENARIOS_PER_BOUNDARY]:
        batch = make()
        with changed_functions({boundary.function: FUNCTIONS[boundary.function].failing_at(boundary)}):
            result = run_scenario(batch.scenario)
        assert isinstance(result.outcome, InternalError)
        assert boundary.failure in str(result.outcome)
        assert result.after == result.before
        if batch.held is None:
            with failing_once(boundary), record_batches(batch.queue) as batches:
                assert {type(ended) for ended in run_calls(batch)} == {batch.ends}
            assert batches == [[False] * SIZE]
            assert ledger_and_redemptions_agree()


@pytest.mark.parametrize("make", [make for make in BATCHES if not make.__name__.endswith("until_exhausted")])
def test_without_a_failure_a_batch_serves_all_or_each_gets_its_refusal(make: Make) -> None:
    batch = make()
    with record_batches(batch.queue) as batches:
        assert {type(ended) for ended in run_calls(batch)} == {batch.ends}
    served = batch.ends in (Redemption, PlacedOrder) and "another_catalog" not in make.__name__
    assert batches == [[served] * SIZE]
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize(("make", "function"), SHARED)
def test_what_fails_in_the_batch_and_alone_fails_for_all_and_changes_nothing(make: Make, function: str) -> None:
    batch, boundary = make(), FUNCTIONS[function].boundaries[-1]
    failures: list[str] = []

    def record(call: Callable[[], object]) -> None:
        try:
            call()
        except InternalError as error:
            failures.append(str(error))

    recorded = replace(batch, calls=[partial(record, call) for call in batch.calls])
    before = snapshot()
    with replaced_functions({function: FUNCTIONS[function].failing_at(boundary)}):
        run_calls(recorded)
    assert snapshot() == before
    assert [boundary.failure in each for each in failures] == [True] * SIZE
    assert {type(each) for each in run_calls(batch)} == {batch.ends}


def test_control_a_failure_that_is_swallowed_is_seen() -> None:
    """Were an error inside the batch passed over, its orders would be there without their events."""
    batch = bought_ordinary()
    completed = "  PERFORM orders_complete_orders(("
    swallowed = replace_text(
        function_definition("orders_place_orders"),
        completed,
        f"  BEGIN RAISE SQLSTATE 'XX000'; EXCEPTION WHEN OTHERS THEN RETURN; END;\n{completed}",
    )
    with replaced_functions({"orders_place_orders": swallowed}):
        result = run_scenario(batch.scenario)
    assert result.after != result.before
    assert (Order.objects.count(), OutboxEvent.objects.count()) == (SIZE, 0)
