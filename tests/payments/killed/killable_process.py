"""Run an action in a process of its own, which stops at a chosen step and waits there to be killed."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.conf import settings
from django.db import connection

from billing.actor import Actor, system_actor
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.payments import open_payment
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.payments.settle_event import receive_event, settle_event
from orders.use_cases.payments.sweep_payments import sweep_payments
from orders.use_cases.subscriptions import complete_renewal, renew_subscription, suspend_unpaid
from tests.payments.step_observer import Step, observe_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """The settings that the other process shares with this one."""

    database: Mapping[str, str]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReached:
    """The step that the process has reached, and the PostgreSQL backend of its connection."""

    backend: int
    step: str


def run(
    settings_here: ProcessSettings, action: Callable[[], object], stop: int | None, control: str, parent: Connection
) -> None:
    """Run the action, report every step to the parent, and wait at step number `stop`, counted from 1.

    Args: control: the name of a misplaced commit in `CONTROLS`, or empty for none.
    """
    connection.settings_dict.update(settings_here.database)
    for name, value in settings_here.values.items():
        setattr(settings, name, value)
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    steps = 0

    def on_step(step: Step) -> None:
        nonlocal steps
        steps += 1
        parent.send(StepReached(backend=backend, step=step.name))
        if steps == stop:
            parent.recv()

    if control:
        CONTROLS[control]()
    try:
        with observe_steps(on_step):
            action()
    finally:
        parent.send(None)


# --- Actions ----------------------------------------------------------------------------------------------
def check_out(request: CheckoutRequest, by: Actor) -> None:
    """Check out as a customer."""
    place_order(request=request, by=by)


def receive_and_settle(payload: Mapping[str, Any]) -> None:
    """Receive an event and run the job that settles it."""
    receive_event(payload)
    settle_event(event_id=payload["id"])


def refund_everything(order_id: UUID, by: Actor) -> None:
    """Refund the whole order as staff, and run the job that sends the refund."""
    refund = refund_order(order_id=order_id, card_minor=None, why="asked for", by=by)
    assert refund is not None
    send_refund(refund_id=refund.id, by=by)


def sweep(now: datetime) -> None:
    """Run the sweeper once."""
    sweep_payments(now=now)


def renew(subscription_id: UUID, now: datetime) -> None:
    """Run the job that renews the months that are due."""
    by = system_actor(channel="worker", user_id="renewals")
    renew_subscription.renew_subscription(subscription_id=subscription_id, by=by, now=now)


# --- Controls: misplaced commits, which the tests must notice ---------------------------------------------
# `Any`, since the controls replace functions that these modules imported.
_OPEN_PAYMENT: Any = open_payment
_RENEW_SUBSCRIPTION: Any = renew_subscription
_COMPLETE_RENEWAL: Any = complete_renewal
_SUSPEND_UNPAID: Any = suspend_unpaid


def _commit_here() -> None:
    wrapped: Any = connection
    wrapped._commit()
    connection.connection.execute("BEGIN")


def _grant_before_the_session() -> None:
    """Grant the voucher's credit in the first transaction, before Stripe has made a session."""
    original = _OPEN_PAYMENT.reserve

    def reserve(**kwargs: Any) -> Any:
        return _OPEN_PAYMENT.confirm(redemption=original(**kwargs), by=system_actor(channel="worker"))

    _OPEN_PAYMENT.reserve = reserve


def _grant_before_the_order() -> None:
    """Commit the grant before the payment's new state, in the transaction that records the session."""
    original = _OPEN_PAYMENT.confirm

    def confirm(**kwargs: Any) -> Any:
        done = original(**kwargs)
        _commit_here()
        return done

    _OPEN_PAYMENT.confirm = confirm


def _failure_before_the_voucher() -> None:
    """Commit the failure of the order before the release of its voucher."""
    original = _OPEN_PAYMENT.release_redemption

    def release(**kwargs: Any) -> Any:
        _commit_here()
        return original(**kwargs)

    _OPEN_PAYMENT.release_redemption = release


def _committed_before(module: Any, name: str) -> None:
    """Commit the open transaction before each call of the module's function."""
    original = getattr(module, name)

    def committed(*args: Any, **kwargs: Any) -> Any:
        _commit_here()
        return original(*args, **kwargs)

    setattr(module, name, committed)


CONTROLS: dict[str, Callable[[], None]] = {
    "grant before the session": _grant_before_the_session,
    "grant before the order": _grant_before_the_order,
    "failure before the voucher": _failure_before_the_voucher,
    "spend before the month": partial(_committed_before, _RENEW_SUBSCRIPTION, "complete_renewal"),
    "month before the event": partial(_committed_before, _COMPLETE_RENEWAL, "record_subscription_event"),
    "month before the mail": partial(_committed_before, _COMPLETE_RENEWAL, "queue_mail"),
    "refusal before the event": partial(_committed_before, _RENEW_SUBSCRIPTION, "record_subscription_event"),
    "end before the event": partial(_committed_before, _SUSPEND_UNPAID, "record_subscription_event"),
    "end before the mail": partial(_committed_before, _SUSPEND_UNPAID, "queue_mail"),
    "session before the mail": partial(_committed_before, _OPEN_PAYMENT, "queue_mail"),
}
