"""Card payments in a process of its own, which stands still at a step and waits there to be killed."""

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
from orders.models.basket import Request
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.payments import open_payment
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.payments.settle_event import receive_event, settle_event
from orders.use_cases.payments.sweep_payments import sweep_payments
from orders.use_cases.subscriptions import complete_renewal, renew_subscription, suspend_unpaid
from tests.payments.steps import Step, watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What another process must know to stand in for this one."""

    database: Mapping[str, str]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The server process of its connection, and the step it stands at."""

    backend: int
    step: str


def run(setting: Setting, act: Callable[[], object], stop: int | None, control: str, parent: Connection) -> None:
    """Does it. Tells the parent every step, and stands still at the one with the number `stop`, from 1.

    Args: control: a commit that is put in the wrong place, a name of `CONTROLS`; empty for none.
    """
    connection.settings_dict.update(setting.database)
    for name, value in setting.values.items():
        setattr(settings, name, value)
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    steps = 0

    def pass_by(step: Step) -> None:
        nonlocal steps
        steps += 1
        parent.send(Told(backend=backend, step=step.name))
        if steps == stop:
            parent.recv()

    if control:
        CONTROLS[control]()
    try:
        with watching(pass_by):
            act()
    finally:
        parent.send(None)


# --- What is done -----------------------------------------------------------------------------------------
def check_out(request: Request, by: Actor) -> None:
    """A customer's checkout."""
    place_order(request=request, by=by)


def receive_and_settle(payload: Mapping[str, Any]) -> None:
    """A webhook, and the job that settles it."""
    receive_event(payload)
    settle_event(event_id=payload["id"])


def give_back(order_id: UUID, by: Actor) -> None:
    """Staff refund everything, and the job sends it."""
    refund = refund_order(order_id=order_id, card_minor=None, why="asked for", by=by)
    assert refund is not None
    send_refund(refund_id=refund.id, by=by)


def sweep(now: datetime) -> None:
    """A round of the sweeper."""
    sweep_payments(now=now)


def renew(subscription_id: UUID, now: datetime) -> None:
    """The job of the months that are due."""
    by = system_actor(channel="worker", user_id="renewals")
    renew_subscription.renew_subscription(subscription_id=subscription_id, by=by, now=now)


# --- Controls: a commit where none may be -----------------------------------------------------------------
# Names of modules are taken and put back without their types knowing.
_OPEN_PAYMENT: Any = open_payment
_RENEWING: Any = renew_subscription
_COMPLETING: Any = complete_renewal
_SUSPENDING: Any = suspend_unpaid


def _commit_here() -> None:
    wrapped: Any = connection
    wrapped._commit()
    connection.connection.execute("BEGIN")


def _grant_before_the_session() -> None:
    """The voucher's credit is granted in T1, before anybody knows whether Stripe gives a session."""
    truly = _OPEN_PAYMENT.reserve

    def reserve(**told: Any) -> Any:
        return _OPEN_PAYMENT.confirm(redemption=truly(**told), by=system_actor(channel="worker"))

    _OPEN_PAYMENT.reserve = reserve


def _grant_before_the_order() -> None:
    """T2 commits the grant before the payment's state."""
    truly = _OPEN_PAYMENT.confirm

    def confirm(**told: Any) -> Any:
        done = truly(**told)
        _commit_here()
        return done

    _OPEN_PAYMENT.confirm = confirm


def _failure_before_the_voucher() -> None:
    """T2 of a refused session commits the order's failure before the voucher is given back."""
    truly = _OPEN_PAYMENT.release_redemption

    def release(**told: Any) -> Any:
        _commit_here()
        return truly(**told)

    _OPEN_PAYMENT.release_redemption = release


def _committed_before(module: Any, name: str) -> None:
    """All that was done so far is committed before the module's function does its part."""
    truly = getattr(module, name)

    def committed(*args: Any, **told: Any) -> Any:
        _commit_here()
        return truly(*args, **told)

    setattr(module, name, committed)


CONTROLS: dict[str, Callable[[], None]] = {
    "grant before the session": _grant_before_the_session,
    "grant before the order": _grant_before_the_order,
    "failure before the voucher": _failure_before_the_voucher,
    "spend before the month": partial(_committed_before, _RENEWING, "complete_renewal"),
    "month before the event": partial(_committed_before, _COMPLETING, "record_subscription_event"),
    "month before the letter": partial(_committed_before, _COMPLETING, "queue_mail"),
    "refusal before the event": partial(_committed_before, _RENEWING, "record_subscription_event"),
    "end before the event": partial(_committed_before, _SUSPENDING, "record_subscription_event"),
    "end before the letter": partial(_committed_before, _SUSPENDING, "queue_mail"),
    "session before the letter": partial(_committed_before, _OPEN_PAYMENT, "queue_mail"),
}
