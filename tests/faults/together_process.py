"""Several who ask at the same moment, in a process of their own, which stands still before or after their batch."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from threading import Event
from typing import Any

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.conf import settings
from django.db import connection
from django.utils import timezone
from orders.use_cases.checkout.try_batched_checkout import _placing

from billing.actor import Actor
from orders.models import CatalogVersion
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.use_cases.redeem_code import _redeeming, redeem
from tests.concurrency.hold_batches import BlockedLeader, block_leader
from tests.faults.checkout_process import AFTER, Report

Asked = tuple[CheckoutRequest | str, Actor]


def ask_together(database: Mapping[str, str], asked: Sequence[Asked], stop: str | None, parent: Connection) -> None:
    """Each asks in a thread of his own. Tells the parent where the batch stands; then waits to be killed.

    Args: asked: requests of checkouts, or codes to redeem; stop: BEFORE or AFTER the batch, None to go on.
    """
    settings.DATABASES["default"].update(database)
    connection.settings_dict.update(database)
    with _door_of(asked[0][0]) as door, ThreadPoolExecutor(len(asked)) as threads:
        for request, by in asked:
            threads.submit(_ask, request, by, _watching(stop, parent))
        door.wait_for(len(asked))
        door.open()


def _door_of(first: CheckoutRequest | str) -> AbstractContextManager[BlockedLeader]:
    if isinstance(first, str):
        return block_leader(_redeeming, first)
    load_checkout_context(request=first, user_id="", now=timezone.now()).price_basket()
    return block_leader(_placing, (first.promo_code, CatalogVersion.objects.get().version))


def _ask(request: CheckoutRequest | str, by: Actor, watch: Callable[..., Any]) -> None:
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
        together = "_together" in sql
        if together and stop != AFTER:
            tell(sql)
        result = execute(sql, params, many, context)
        if together and stop == AFTER:
            tell(sql)
        return result

    return watch
