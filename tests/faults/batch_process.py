"""Requests that make one batch, in a process of their own, which stops before or after the batch's statement."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from threading import Event
from types import ModuleType
from typing import Any

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.actor import Actor
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.use_cases.redeem_code import redeem
from tests.concurrency.hold_batches import CHECKOUTS, REDEMPTIONS, block_leader
from tests.faults.checkout_process import AFTER, Report

# A checkout, or a code to redeem; and who does it.
Requested = tuple[CheckoutRequest | str, Actor]
# The calls of a batch's statement, one of which is in it.
STATEMENTS = ("promos_redeem_and_read(", "orders_place_orders(")


def run_as_one_batch(
    database: Mapping[str, str], requested: Sequence[Requested], stop: str | None, parent: Connection
) -> None:
    """Makes each request in a thread of its own. Tells the parent where the batch stands; then waits to be killed.

    Args: stop: BEFORE or AFTER the batch's statement, None to go on.
    """
    settings.DATABASES["default"].update(database)
    connection.settings_dict.update(database)
    queue = _queue_of(requested[0][0])
    with block_leader(queue) as leader, ThreadPoolExecutor(len(requested)) as threads:
        for request, by in requested:
            threads.submit(_run, request, by, _watching(stop, parent))
        leader.wait_for(len(requested))
        leader.release()


def _queue_of(first: CheckoutRequest | str) -> ModuleType:
    if isinstance(first, str):
        return REDEMPTIONS
    load_checkout_context(request=first, user_id="", now=timezone.now()).price_basket()
    return CHECKOUTS


def _run(request: CheckoutRequest | str, by: Actor, watch: Callable[..., Any]) -> None:
    connection.ensure_connection()
    with connection.execute_wrapper(watch):
        if isinstance(request, str):
            redeem(code=request, user_id=by.user_id, by=by)
        else:
            place_order(request=request, by=by)


def _watching(stop: str | None, parent: Connection) -> Callable[..., Any]:
    """Tells the parent of the batch's statement and stands still there."""

    def tell(sql: str) -> None:
        parent.send(Report(backend=connection.connection.info.backend_pid, statement=sql))
        if stop is not None:
            Event().wait()

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        of_batch = any(statement in sql for statement in STATEMENTS)
        if of_batch and stop != AFTER:
            tell(sql)
        result = execute(sql, params, many, context)
        if of_batch and stop == AFTER:
            tell(sql)
        return result

    return watch
