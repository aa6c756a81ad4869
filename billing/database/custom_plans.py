"""Statements that PostgreSQL plans anew for their own values, instead of once for all values.

A prepared statement soon gets one plan for whatever values it is sent with. That suits requests of customers, which
send the same few statements with values that are alike. The filters and searches of the console find anything from no
row to all of them: the plan for a state that all rows have reads the whole table for a state that none has.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections


@contextmanager
def planning_for_values() -> Iterator[None]:
    """Sends this thread's statements unprepared while the block runs, so that each is planned for its values."""
    with ExitStack() as stack:
        for each in connections.all():
            stack.enter_context(each.execute_wrapper(_execute_unprepared))
        yield


def _execute_unprepared(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    session = context["connection"].connection
    threshold, session.prepare_threshold = session.prepare_threshold, None
    try:
        return execute(sql, params, many, context)
    finally:
        # The session returns to the pool, and then serves customers.
        session.prepare_threshold = threshold
