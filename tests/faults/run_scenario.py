"""Runs a scenario, with functions of the database replaced if a test wants it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from django.db import DatabaseError, connection, transaction

from billing.errors import DomainError
from tests.concurrency.schema_changes import function_definition
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import count_lock_waiters, wait_until
from tests.faults.scenarios import Scenario
from tests.snapshot import Snapshot, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """The return value or error of `act`, its notices, and the database before and after it."""

    outcome: object
    notices: list[str]
    before: Snapshot
    after: Snapshot


def run_scenario(scenario: Scenario) -> ScenarioResult:
    """Call the scenario's `act` in a thread, while another transaction does what the scenario says."""
    notices: list[str] = []
    with ThreadGroup(1) as threads:
        if scenario.held is None:
            before = snapshot()
            in_flight = threads.start([_record_notices(scenario.act, notices)])
        else:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(scenario.held[0], [scenario.held[1]])
                in_flight = threads.start([_record_notices(scenario.act, notices)])
                wait_until(
                    lambda: in_flight.done or count_lock_waiters() == 1, "the end or the lock wait of the call"
                )
                if scenario.meanwhile is not None:
                    scenario.meanwhile()
                before = snapshot()
        [outcome] = in_flight.finish().outcomes
    return ScenarioResult(outcome=outcome, notices=notices, before=before, after=snapshot())


def _record_notices(act: Callable[[], object], notices: list[str]) -> Callable[[], object]:
    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        notices.append(diagnostic.message_primary or "")

    def act_and_record() -> object:
        connection.ensure_connection()
        connection.connection.add_notice_handler(note)
        try:
            return act()
        except (DomainError, DatabaseError) as error:
            return error

    return act_and_record


@contextmanager
def replaced_functions(definitions: Mapping[str, str]) -> Iterator[None]:
    """Replace the definitions of some functions; restore the true ones on exit."""
    true_definitions = {name: function_definition(name) for name in definitions}
    _execute(*definitions.values())
    try:
        yield
    finally:
        _execute(*true_definitions.values())
        assert {name: function_definition(name) for name in definitions} == true_definitions


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
