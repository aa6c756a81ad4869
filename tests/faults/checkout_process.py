"""Runs a checkout or a top-up in a process that stops at a chosen statement, to be killed there."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.db import connection

from billing.actor import Actor
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.top_up import top_up

BEFORE, AFTER = "before", "after"
# Stop after the commit and before the answer.
COMMITTED = (0, AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A message of the process: the server process of its connection, and the statement at which it stopped."""

    backend: int
    statement: str


def check_out(
    database: Mapping[str, str], request: CheckoutRequest, by: Actor, stop: tuple[int, str] | None, parent: Connection
) -> None:
    """Place the order; stop as `run` does."""
    run(database, partial(place_order, request=request, by=by), stop, parent)


def redeem_code(
    database: Mapping[str, str],
    code_and_key: tuple[str, str],
    by: Actor,
    stop: tuple[int, str] | None,
    parent: Connection,
) -> None:
    """Redeem the code into the balance; stop as `run` does."""
    code, key = code_and_key
    run(database, partial(top_up, code=code, by=by, idempotency_key=key, fingerprint=code), stop, parent)


def run(
    database: Mapping[str, str], act: Callable[[], Any], stop: tuple[int, str] | None, parent: Connection
) -> None:
    """Call `act`. Report the backend to the parent at the start and again at the stop, then wait to be killed.

    Args:
        stop: the number of a statement, from 1, and whether to stop before or after it; None to run to the end.
    """
    connection.settings_dict.update(database)
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    parent.send(Report(backend=backend, statement=""))
    done = 0

    def stop_at(point: tuple[int, str], statement: str) -> None:
        if point == stop:
            parent.send(Report(backend=backend, statement=statement))
            parent.recv()

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal done
        done += 1
        stop_at((done, BEFORE), sql)
        result = execute(sql, params, many, context)
        stop_at((done, AFTER), sql)
        return result

    with connection.execute_wrapper(watch):
        answer = act()
    stop_at(COMMITTED, "COMMIT")
    parent.send(answer)
