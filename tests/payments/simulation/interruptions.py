"""Interrupt an action at one of its steps: its process dies, the network loses a call, or another actor is faster.

The process dies inside this one: its database connection is cut, and an exception that no code catches ends the
action. A later statement or call, from a `finally` or `except` block, raises the exception again. So product code
cannot clean up what a killed process would leave behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import stripe
from django.db import connection

from tests.concurrency.wait_for import wait_until
from tests.payments.step_observer import WRITES, Step, observe_steps

Result = TypeVar("Result")

# A checkout that credit covers is one statement, which commits by itself.
_COMMITTING_STATEMENTS = (*WRITES, "SELECT id, balance, orders_vat_facts(")
# Between its steps the batch of this process is in flight, and a checkout of the other actor would wait for it.
_BATCH_STATEMENT = "writing orders_place_orders"

PROCESS_DIES = "process dies"
REQUEST_IS_LATE, REQUESTS_ARE_LATE = "request is late", "requests are late"
ANSWER_IS_LOST, ANSWERS_ARE_LOST = "answer is lost", "answers are lost"
_LATE, _LOST = (REQUEST_IS_LATE, REQUESTS_ARE_LATE), (ANSWER_IS_LOST, ANSWERS_ARE_LOST)
_LASTING = (REQUESTS_ARE_LATE, ANSWERS_ARE_LOST)
# `Any`, since its constructor has no types.
_NETWORK_FAILURE: Any = stripe.APIConnectionError


class ProcessDied(BaseException):
    """The interrupted process ended here."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """An event at step number `step`, counted from 1, or at the first later step where it can happen.

    `kind` is one of the constants above, or the name of another actor's action. Step 0 means no interruption.
    """

    step: int = 0
    kind: str = ""


NO_INTERRUPTION = Interruption()


@dataclass(slots=True)
class InterruptibleProcess:
    """Run one action with an interruption.

    `late_requests` collects requests that have not reached Stripe yet; `act_concurrently` performs another actor's
    action by its name.
    """

    interruption: Interruption
    late_requests: list[Callable[[], Any]]
    act_concurrently: Callable[[str], None]
    steps: list[str] = field(default_factory=list)
    interrupted_at: str = ""
    _dead_backend: int = 0
    _is_other_acting: bool = False

    def run(self, action: Callable[[], Result]) -> Result | None:
        """Run the action and return its result, or None if the process died. Raises: what the action raises."""
        try:
            with (
                observe_steps(self._on_step, writes=_COMMITTING_STATEMENTS),
                connection.execute_wrapper(self._execute_while_alive),
            ):
                result = action()
        except ProcessDied:
            return None
        finally:
            if self.is_dead:
                connection.close()
                wait_until(partial(_has_ended, self._dead_backend), "the end of the server process")
        assert not self.is_dead, f"the action went on after its process died {self.interrupted_at}"
        return result

    @property
    def is_dead(self) -> bool:
        return bool(self._dead_backend)

    def _on_step(self, step: Step) -> None:
        if self._is_other_acting:
            return
        if self.is_dead:
            raise ProcessDied
        if step.call is not None:
            assert connection.get_autocommit(), f"{step.name} within a transaction"
        self.steps.append(step.name)
        is_over = self.interrupted_at and self.interruption.kind not in _LASTING
        if self.interruption.kind and len(self.steps) >= self.interruption.step and not is_over:
            self._interrupt(step, self.interruption.kind)

    def _interrupt(self, step: Step, kind: str) -> None:
        is_before = step.name.startswith("before")
        if kind == PROCESS_DIES:
            self._die(step)
        elif kind in (*_LATE, *_LOST):
            if step.call is not None and is_before == (kind in _LATE):
                self._lose_call(step)
        elif connection.get_autocommit() and not step.name.endswith(_BATCH_STATEMENT):
            self._let_other_act(step)

    def _die(self, step: Step) -> None:
        self.interrupted_at = step.name
        database = connection.connection
        self._dead_backend = database.info.backend_pid
        database.close()
        connection.close()
        raise ProcessDied

    def _lose_call(self, step: Step) -> None:
        self.interrupted_at = step.name
        if self.interruption.kind in _LATE and step.call is not None:
            self.late_requests.append(step.call)
        raise _NETWORK_FAILURE("the network lost the call", should_retry=True)

    def _let_other_act(self, step: Step) -> None:
        self.interrupted_at = step.name
        self._is_other_acting = True
        try:
            self.act_concurrently(self.interruption.kind)
        finally:
            self._is_other_acting = False

    def _execute_while_alive(self, execute: Callable[..., Any], *args: Any) -> Any:
        if self.is_dead and not self._is_other_acting:
            raise ProcessDied
        return execute(*args)


def _has_ended(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
        return bool(cursor.fetchone()[0])
