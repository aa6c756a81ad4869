"""Refusals in place of the database's errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from django.db import IntegrityError, OperationalError
from psycopg import errors as postgres

from .base import DomainError
from .requests import Busy, RequestInProgress


@contextmanager
def translate_violations(refusals: Mapping[str, type[DomainError]]) -> Iterator[None]:
    """Raises a refusal in place of the violation of a named constraint. Wrap exactly one statement in it.

    `refusals` maps constraint names to refusals. The violation of any other constraint is an impossible state, and
    its IntegrityError propagates.
    """
    try:
        yield
    except IntegrityError as error:
        refusal = refusals.get(violated_constraint(error))
        if refusal is None:
            raise
        raise refusal from error


@contextmanager
def translate_lock_errors(*, key: str | None, on_deadlock: type[DomainError]) -> Iterator[None]:
    """Raises RequestInProgress if waiting for a lock timed out, or Busy for a request without a key.

    Args: on_deadlock: the error to raise if the database ended a deadlock, so that the caller starts again.
    """
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable):
            raise (RequestInProgress if key else Busy)(retry_after=1) from error
        if isinstance(error.__cause__, postgres.DeadlockDetected):
            raise on_deadlock from error
        raise


def violated_constraint(error: BaseException) -> str:
    """Returns the name of the violated constraint, as the database reports it; empty if it reports none."""
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
