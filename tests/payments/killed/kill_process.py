"""Kill another process with SIGKILL at a chosen step, then restart the service."""

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from orders.models import Payment
from tests.concurrency.wait_for import wait_until
from tests.payments.killed import killable_process
from tests.payments.killed.killable_process import ProcessSettings, StepReached
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

TIMEOUT_SECONDS = 60

# Children are forked from a process that has only loaded Django, so they inherit no connection and no thread.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.payments.killed.killable_process"])

Action = Callable[[], object]


def before_and_after(*events: str) -> list[str]:
    """The steps before and after each event."""
    return [f"{when} {event}" for event in events for when in ("before", "after")]


def every_step(journeys: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Each journey with each of its step numbers, from 1."""
    return [(journey, number) for journey, steps in journeys.items() for number in range(1, len(steps) + 1)]


def case_namer(journeys: Mapping[str, Sequence[str]]) -> Callable[[tuple[str, int]], str]:
    """Return a function that names a test case by its journey and step."""

    def name(case: tuple[str, int]) -> str:
        journey, number = case
        return f"{journey} {number} {journeys[journey][number - 1]}"

    return name


def process_settings() -> ProcessSettings:
    names = ("NAME", "USER", "HOST", "PORT", "PASSWORD")
    keys = ("STRIPE_API_BASE", "INITIAL_STRIPE_SECRET_KEY", "INITIAL_STRIPE_WEBHOOK_SECRET")
    return ProcessSettings(
        database={name: connection.settings_dict[name] for name in names},
        values={name: getattr(settings, name) for name in keys},
    )


def run_until(action: Action, stop: int | None, *, control: str = "") -> list[str]:
    """Run the action in another process, kill that process at step `stop`, and return the steps it reached."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=killable_process.run, args=(process_settings(), action, stop, control, there))
    process.start()
    there.close()
    steps: list[str] = []
    backend = 0
    try:
        while stop is None or len(steps) < stop:
            assert here.poll(TIMEOUT_SECONDS), f"the process reached no further step after {steps}"
            message: Any = here.recv()
            if not isinstance(message, StepReached):
                break
            backend = message.backend
            steps.append(message.step)
        if stop is None or len(steps) < stop:
            process.join(TIMEOUT_SECONDS)
        else:
            process.kill()
            process.join(TIMEOUT_SECONDS)
            assert process.exitcode == -signal.SIGKILL
    finally:
        process.kill()
        process.join(TIMEOUT_SECONDS)
        here.close()
    wait_until(partial(_has_ended, backend), "the end of the server process")
    return steps


def _has_ended(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
        return bool(cursor.fetchone()[0])


def restart(stripe: Stripe, *, now: datetime | None = None) -> None:
    """End the killed process's leases, then run the service until it is idle."""
    stripe.heal()
    Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    run_until_idle(stripe, now=now)
