"""Plays a scenario, with functions of the database exchanged where a test wants it."""

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
    """What acting returned or raised, the notices that came by, and the database without it and after it."""

    ended: object
    told: list[str]
    before: Snapshot
    after: Snapshot


def run_scenario(scenario: Scenario) -> ScenarioResult:
    """Acts in a thread of its own, while another transaction does what the scenario says."""
    told: list[str] = []
    with ThreadGroup(1) as threads:
        if scenario.held is None:
            before = snapshot()
            acting = threads.start([_told(scenario.act, told)])
        else:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(scenario.held[0], [scenario.held[1]])
                acting = threads.start([_told(scenario.act, told)])
                wait_until(lambda: acting.done or count_lock_waiters() == 1, "acting or waiting")
                if scenario.meanwhile is not None:
                    scenario.meanwhile()
                before = snapshot()
        [ended] = acting.finish().outcomes
    return ScenarioResult(ended=ended, told=told, before=before, after=snapshot())


def _told(act: Callable[[], object], told: list[str]) -> Callable[[], object]:
    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        told.append(diagnostic.message_primary or "")

    def listen_and_act() -> object:
        connection.ensure_connection()
        connection.connection.add_notice_handler(note)
        try:
            return act()
        except (DomainError, DatabaseError) as error:
            return error

    return listen_and_act


@contextmanager
def replaced_functions(definitions: Mapping[str, str]) -> Iterator[None]:
    """Other definitions of some functions for a while, the true ones again in the end."""
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
