"""Any failure after any statement of what is done together: nothing of the batch is there, and each goes his own way.

As in test_statement_failures.py, the functions are read from their .sql files and installed once for every place
between two of their statements, with a failure there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from django.db import IntegrityError, InternalError, connection

from orders.models import Order
from orders.use_cases.checkout.place_order import PlacedOrder
from promos.models import Redemption
from tests.concurrency.hold_batches import block_leader, record_batches
from tests.concurrency.schema_changes import function_definition
from tests.concurrency.threads import ThreadGroup
from tests.consistency import ledger_and_redemptions_agree
from tests.faults.gathered import SIZE, TOGETHER, Batch, bought_ordinary, redeemed_ordinary
from tests.faults.run_scenario import replaced_functions, run_scenario
from tests.faults.statement_boundaries import Boundary, Function, parse_functions
from tests.faults.test_statement_failures import FUNCTIONS as ALONE
from tests.snapshot import snapshot

pytestmark = pytest.mark.django_db(transaction=True)

_PROJECT = Path(__file__).resolve().parents[2]
_FILES = ("orders/use_cases/checkout/place_together.sql", "promos/use_cases/redeem_together.sql")
FUNCTIONS: Mapping[str, Function] = {
    function.name: function for file in _FILES for function in parse_functions(_PROJECT / file)
}
BOUNDARIES = [boundary for function in FUNCTIONS.values() for boundary in function.boundaries]
# What those who go their own way come by as well, and so fail at too.
SHARED = [
    (redeemed_ordinary, "billing_post_entry"),
    (bought_ordinary, "billing_post_entry"),
    (bought_ordinary, "promos_open_redemption"),
    (bought_ordinary, "orders_write_order"),
]
# As many of the batches that come by a boundary are played for it.
PLAYED_EACH = 2

Make = Callable[[], Batch]


def ask(batch: Batch) -> Sequence[object]:
    """All ask at the same moment; what each was told."""
    with ThreadGroup(len(batch.calls)) as crew, block_leader(batch.combiner, batch.kind) as door:
        under_way = crew.start(batch.calls)
        door.wait_for(len(batch.calls))
        door.open()
        return under_way.finish().outcomes


@cache
def passing_by() -> Mapping[str, list[Make]]:
    """The batches that come by each boundary, found by playing them all with a notice at every boundary."""
    found: dict[str, list[Make]] = {}
    with replaced_functions({name: function.with_notices() for name, function in FUNCTIONS.items()}):
        for make in TOGETHER:
            batch = make()
            result = run_scenario(batch.scenario)
            assert isinstance(result.outcome, IntegrityError if batch.held else list)
            for boundary in dict.fromkeys(result.notices):
                found.setdefault(boundary, []).append(make)
    # ScenarioResult in the midst of whichever test asks first, and some of them count places that nobody took.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pristine.restore()")
    return found


def test_the_installed_functions_are_those_of_the_files() -> None:
    assert set(FUNCTIONS) == {"orders_place_together", "promos_redeem_together", "promos_claim_together"}
    for name, function in FUNCTIONS.items():
        with connection.cursor() as cursor:
            cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
            [(body,)] = cursor.fetchall()
        assert f"$${body}$$" in function.definition


def test_every_boundary_is_come_by_and_there_are_more_than_statements() -> None:
    assert set(passing_by()) == {str(boundary) for boundary in BOUNDARIES}
    assert len(BOUNDARIES) >= sum(function.statements for function in FUNCTIONS.values()) > 0


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_batch_that_fails_leaves_nothing_and_each_of_it_ends_as_alone(boundary: Boundary) -> None:
    makes = passing_by()[str(boundary)]
    failing = {boundary.function: FUNCTIONS[boundary.function].failing_at(boundary)}
    for make in makes[:PLAYED_EACH]:
        batch = make()
        with replaced_functions(failing):
            result = run_scenario(batch.scenario)
            assert isinstance(result.outcome, InternalError)
            assert boundary.failure in str(result.outcome)
            assert result.after == result.before
            if batch.held is None:
                with record_batches(batch.combiner) as batches:
                    assert {type(told) for told in ask(batch)} == {batch.ends}
                assert batches == [[False] * SIZE]
                assert ledger_and_redemptions_agree()


@pytest.mark.parametrize("make", [make for make in TOGETHER if not make.__name__.endswith("until_exhausted")])
def test_without_a_failure_all_are_served_at_once_or_each_is_told_why(make: Make) -> None:
    batch = make()
    with record_batches(batch.combiner) as batches:
        assert {type(told) for told in ask(batch)} == {batch.ends}
    served = batch.ends in (Redemption, PlacedOrder) and "another_catalog" not in make.__name__
    assert batches == [[served] * SIZE]
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize(("make", "function"), SHARED)
def test_what_fails_together_and_alone_is_told_to_everybody_and_changes_nothing(make: Make, function: str) -> None:
    batch, boundary = make(), ALONE[function].boundaries[-1]
    told: list[str] = []

    def tell(call: Callable[[], object]) -> None:
        try:
            call()
        except InternalError as error:
            told.append(str(error))

    failing = replace(batch, calls=[partial(tell, call) for call in batch.calls])
    before = snapshot()
    with replaced_functions({function: ALONE[function].failing_at(boundary)}):
        ask(failing)
    assert snapshot() == before
    assert [boundary.failure in each for each in told] == [True] * SIZE
    assert {type(each) for each in ask(batch)} == {batch.ends}


def test_control_a_failure_that_is_swallowed_is_seen() -> None:
    """Were an error of one order passed over, the others would be there, and the batch not be one."""
    batch = bought_ordinary()
    written = "    SELECT * INTO done FROM orders_write_order("
    passed_over = "IF one.number = 2 THEN RAISE SQLSTATE 'XX000'; END IF; EXCEPTION WHEN OTHERS THEN RETURN;"
    true_definition = function_definition("orders_place_together")
    swallowed = true_definition.replace(written, f"    BEGIN {passed_over} END;\n{written}")
    assert swallowed != true_definition
    with replaced_functions({"orders_place_together": swallowed}):
        result = run_scenario(batch.scenario)
    assert result.after != result.before
    assert Order.objects.count() == 1
