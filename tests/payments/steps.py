"""The steps of an act: before and after each commit and each call to Stripe, counted in the order they come."""

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


@dataclass(frozen=True, slots=True)
class Step:
    """`ask` asks Stripe what is about to be asked, or was asked; None where the step is not a call."""

    name: str
    ask: Callable[[], Any] | None = None


@contextmanager
def watching(pass_by: Callable[[Step], None], *, writes: tuple[str, ...] = WRITES) -> Iterator[None]:
    """Tells every step of this thread's database connection and of all calls to Stripe.

    Args: writes: how a statement begins that, outside of a transaction, is its own commit.
    """
    commit, request = _commit(pass_by), _request(pass_by)
    with (
        mock.patch.object(DatabaseWrapper, "_commit", commit),
        mock.patch.object(stripe.RequestsClient, "request", request),
        connection.execute_wrapper(_single_statements(pass_by, writes)),
    ):
        yield


def _commit(pass_by: Callable[[Step], None]) -> Callable[..., None]:
    wrapper: Any = DatabaseWrapper
    truly = wrapper._commit

    def commit(self: DatabaseWrapper) -> None:
        pass_by(Step("before a commit"))
        truly(self)
        pass_by(Step("after a commit"))

    return commit


def _single_statements(pass_by: Callable[[Step], None], writes: tuple[str, ...]) -> Callable[..., Any]:
    """A statement that writes outside of a transaction is its own commit."""

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if connection.in_atomic_block or not sql.startswith(writes):
            return execute(sql, params, many, context)
        what = sql.split('"')[1] if '"' in sql else sql.split()[1]
        pass_by(Step(f"before writing {what}"))
        result = execute(sql, params, many, context)
        pass_by(Step(f"after writing {what}"))
        return result

    return watch


def _request(pass_by: Callable[[Step], None]) -> Callable[..., Any]:
    truly = stripe.RequestsClient.request

    def request(self: stripe.RequestsClient, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        def ask() -> Any:
            return truly(self, method, url, *args, **kwargs)

        call = f"{method.upper()} {_path(url)}"
        pass_by(Step(f"before {call}", ask))
        answer = ask()
        pass_by(Step(f"after {call}", ask))
        return answer

    return request


_HAS_DIGIT = re.compile(r"\d").search


def _path(url: str) -> str:
    """The path without ids and query: every id of Stripe's mixes letters of both cases and digits, no name does."""
    parts = url.partition("/v1/")[2].partition("?")[0].split("/")
    return "/".join(part if part.islower() and part.isascii() and not _HAS_DIGIT(part) else "*" for part in parts)
