"""kill -9 of another process at a step of what it does, and the restart after it."""

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
from tests.payments import payment_process
from tests.payments.payment_process import Setting, Told
from tests.payments.stripe_process import Stripe
from tests.payments.working import work_until_quiet

PATIENCE_SECONDS = 60

# Children of a process that has loaded Django and nothing else: no connection and no thread is inherited.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.payments.payment_process"])

Act = Callable[[], object]


def both(*events: str) -> list[str]:
    """Before and after each."""
    return [f"{when} {event}" for event in events for when in ("before", "after")]


def every_step(journeys: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Each journey with each number of a step, from 1."""
    return [(journey, number) for journey, steps in journeys.items() for number in range(1, len(steps) + 1)]


def namer(journeys: Mapping[str, Sequence[str]]) -> Callable[[tuple[str, int]], str]:
    """Names a case by its journey and step."""

    def named(case: tuple[str, int]) -> str:
        journey, number = case
        return f"{journey} {number} {journeys[journey][number - 1]}"

    return named


def setting() -> Setting:
    names = ("NAME", "USER", "HOST", "PORT", "PASSWORD")
    keys = ("STRIPE_API_BASE", "INITIAL_STRIPE_SECRET_KEY", "INITIAL_STRIPE_WEBHOOK_SECRET")
    return Setting(
        database={name: connection.settings_dict[name] for name in names},
        values={name: getattr(settings, name) for name in keys},
    )


def run_until(act: Act, stop: int | None, *, control: str = "") -> list[str]:
    """Does it in another process, kills that at the step, and returns the steps it came to."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=payment_process.run, args=(setting(), act, stop, control, there))
    process.start()
    there.close()
    steps: list[str] = []
    backend = 0
    try:
        while stop is None or len(steps) < stop:
            assert here.poll(PATIENCE_SECONDS), f"the process says nothing after {steps}"
            told: Any = here.recv()
            if not isinstance(told, Told):
                break
            backend = told.backend
            steps.append(told.step)
        if stop is None or len(steps) < stop:
            process.join(PATIENCE_SECONDS)
        else:
            process.kill()
            process.join(PATIENCE_SECONDS)
            assert process.exitcode == -signal.SIGKILL
    finally:
        process.kill()
        process.join(PATIENCE_SECONDS)
        here.close()
    wait_until(partial(_is_gone, backend), "the end of the server process")
    return steps


def _is_gone(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", [backend])
        return bool(cursor.fetchone()[0])


def restart(stripe: Stripe, *, now: datetime | None = None) -> None:
    """What the process might still have been doing is nobody's any more."""
    stripe.heal()
    Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    work_until_quiet(stripe, now=now)
