"""Observe the steps of an action: before and after each commit and each call to Stripe, in order."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import stripe
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper

WRITES = ("INSERT", "UPDATE", "DELETE")
_TABLE_OR_FUNCTION = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?(\w+)')


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `call` sends the step's request to Stripe; it is None if the step is not a call."""

    name: str
    call: Callable[[], Any] | None = None


@contextmanager
def observe_steps(on_step: Callable[[Step], None], *, writes: tuple[str, ...] = WRITES) -> Iterator[None]:
    """Call `on_step` at every step of this thread's database connection and at every call to Stripe.

    Args: writes: the beginnings of statements that commit by themselves outside a transaction.
    """
    commit, request = _commit(on_step), _request(on_step)
    with (
        mock.patch.object(DatabaseWrapper, "_commit", commit),
        mock.patch.object(stripe.RequestsClient, "request", request),
        connection.execute_wrapper(_single_statements(on_step, writes)),
    ):
        yield


def _commit(on_step: Callable[[Step], None]) -> Callable[..., None]:
    wrapper: Any = DatabaseWrapper
    original = wrapper._commit

    def commit(self: DatabaseWrapper) -> None:
        on_step(Step("before a commit"))
        original(self)
        on_step(Step("after a commit"))

    return commit


def _single_statements(on_step: Callable[[Step], None], writes: tuple[str, ...]) -> Callable[..., Any]:
    """Report writes outside a transaction, which commit by themselves."""

    def observe(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if connection.in_atomic_block or not sql.startswith(writes):
            return execute(sql, params, many, context)
        found = _TABLE_OR_FUNCTION.search(sql)
        what = found[1] if found else sql.split()[1]
        on_step(Step(f"before writing {what}"))
        result = execute(sql, params, many, context)
        on_step(Step(f"after writing {what}"))
        return result

    return observe


def _request(on_step: Callable[[Step], None]) -> Callable[..., Any]:
    original = stripe.RequestsClient.request

    def request(self: stripe.RequestsClient, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        def send() -> Any:
            return original(self, method, url, *args, **kwargs)

        name = f"{method.upper()} {_path(url)}"
        on_step(Step(f"before {name}", send))
        answer = send()
        on_step(Step(f"after {name}", send))
        return answer

    return request


_HAS_DIGIT = re.compile(r"\d").search


def _path(url: str) -> str:
    """The path without ids and query. Stripe's ids mix upper case, lower case and digits; its names do not."""
    parts = url.partition("/v1/")[2].partition("?")[0].split("/")
    return "/".join(part if part.islower() and part.isascii() and not _HAS_DIGIT(part) else "*" for part in parts)
