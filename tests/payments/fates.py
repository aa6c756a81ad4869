"""What befalls an act at one of its steps: its process dies, the network loses a call, or others are faster.

A process that dies here dies within this one: its connection to the database is cut and an exception that nobody
catches ends the act. Whatever it would do on its way out, another statement or another call, ends it again, so that
no `finally` or `except` of ours can tidy up what a killed process leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import stripe
from django.db import connection

from tests.concurrency.wait_for import wait_until
from tests.payments.steps import WRITES, Step, watching

Result = TypeVar("Result")

# A checkout from credit is one statement.
_COMMITS = (*WRITES, "\nSELECT placed_order")

DIES = "dies"
REQUEST_IS_LATE, REQUESTS_ARE_LATE = "request is late", "requests are late"
ANSWER_IS_LOST, ANSWERS_ARE_LOST = "answer is lost", "answers are lost"
_LATE, _LOST = (REQUEST_IS_LATE, REQUESTS_ARE_LATE), (ANSWER_IS_LOST, ANSWERS_ARE_LOST)
_LASTING = (REQUESTS_ARE_LATE, ANSWERS_ARE_LOST)
# Its constructor carries no types.
_NETWORK_FAILURE: Any = stripe.APIConnectionError


class Died(BaseException):
    """The process ended here."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls at the step with this number, from 1, or at the first after it where it can; 0 for nothing.

    `what` is one of the names above, or the name of what somebody else does meanwhile.
    """

    step: int = 0
    what: str = ""


CALM = Fate()


@dataclass(slots=True)
class Process:
    """Somebody's act, with its fate.

    `late` gets the requests that have not reached Stripe yet; `meanwhile` does what somebody else does.
    """

    fate: Fate
    late: list[Callable[[], Any]]
    meanwhile: Callable[[str], None]
    steps: list[str] = field(default_factory=list)
    befell: str = ""
    _backend: int = 0
    _is_elsewhere: bool = False

    def run(self, act: Callable[[], Result]) -> Result | None:
        """What the act returned; None where its process died. Raises: what it raises."""
        try:
            with watching(self._pass_by, writes=_COMMITS), connection.execute_wrapper(self._only_while_alive):
                result = act()
        except Died:
            return None
        finally:
            if self.is_dead:
                connection.close()
                wait_until(partial(_is_gone, self._backend), "the end of the server process")
        assert not self.is_dead, f"the act went on after its process died {self.befell}"
        return result

    @property
    def is_dead(self) -> bool:
        return bool(self._backend)

    def _pass_by(self, step: Step) -> None:
        if self._is_elsewhere:
            return
        if self.is_dead:
            raise Died
        if step.ask is not None:
            assert connection.get_autocommit(), f"{step.name} within a transaction"
        self.steps.append(step.name)
        is_over = self.befell and self.fate.what not in _LASTING
        if self.fate.what and len(self.steps) >= self.fate.step and not is_over:
            self._befall(step, self.fate.what)

    def _befall(self, step: Step, what: str) -> None:
        before = step.name.startswith("before")
        if what == DIES:
            self._die(step)
        elif what in (*_LATE, *_LOST):
            if step.ask is not None and before == (what in _LATE):
                self._lose(step)
        elif connection.get_autocommit():
            self._go_elsewhere(step)

    def _die(self, step: Step) -> None:
        self.befell = step.name
        database = connection.connection
        self._backend = database.info.backend_pid
        database.close()
        connection.close()
        raise Died

    def _lose(self, step: Step) -> None:
        self.befell = step.name
        if self.fate.what in _LATE and step.ask is not None:
            self.late.append(step.ask)
        raise _NETWORK_FAILURE("the network lost it", should_retry=True)

    def _go_elsewhere(self, step: Step) -> None:
        self.befell = step.name
        self._is_elsewhere = True
        try:
            self.meanwhile(self.fate.what)
        finally:
            self._is_elsewhere = False

    def _only_while_alive(self, execute: Callable[..., Any], *told: Any) -> Any:
        if self.is_dead and not self._is_elsewhere:
            raise Died
        return execute(*told)


def _is_gone(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
        return bool(cursor.fetchone()[0])
