"""Random sequences of checkouts, payments, events, jobs, refunds, sweeps, failures of Stripe, and crashes.

Each step is followed by the checks of consistency_at_any_time.py. At the end every fault is switched off, every event
is delivered and every job is done; then the service's books must agree with Stripe's (consistency_at_rest.py).

PROPERTIES=thorough runs more and longer sequences at random. A failure prints a line to add to the test
(`@reproduce_failure`).
"""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from orders.stripe import gateway
from orders.use_cases.payments import open_payment, settle_payment, sweep_payments
from tests.factories import actor
from tests.payments import worker
from tests.payments.simulation.payment_state_machine import PaymentStateMachine
from tests.payments.simulation.simulation import Simulation
from tests.payments.stripe_server import Stripe

pytestmark = pytest.mark.django_db(transaction=True)

# A slow machine is not a failure.
ALLOWED_SLOWNESS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
USUAL = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=50,
    report_multiple_bugs=False,
    suppress_health_check=ALLOWED_SLOWNESS,
)
THOROUGH = settings(
    deadline=None,
    database=None,
    print_blob=True,
    max_examples=1_000,
    stateful_step_count=60,
    report_multiple_bugs=False,
    suppress_health_check=ALLOWED_SLOWNESS,
)
SETTINGS = {"usual": USUAL, "thorough": THOROUGH}[os.environ.get("PROPERTIES", "usual")]

# Sequences that reach few outcomes prove little. Every run must reach all of REQUIRED_OUTCOMES and most of
# EXPECTED_OUTCOMES; which of these a run misses varies. `pytest --hypothesis-show-statistics` lists all outcomes.
REQUIRED_OUTCOMES = {
    *(f"ends: purchase {status} by card" for status in ("completed", "expired", "failed")),
    *("ends: purchase completed by credit", "ends: renewal completed by credit"),
    *("checkout: done", "checkout: process dies", "duplicate event: done", "renewal is renewed"),
}
MIN_SHARE = 0.8
EXPECTED_OUTCOMES = {
    *(f"ends: purchase {status} by card" for status in ("completed", "expired", "failed", "cancelled", "pending")),
    *(f"ends: {kind} {status} by credit" for kind in ("purchase", "renewal") for status in ("completed", "refunded")),
    *(f"renewal is {outcome}" for outcome in ("renewed", "past_due", "waiting", "canceled")),
    *(f"at Stripe: {what}" for what in ("pay", "refuse", "expire", "pay_async", "settle_async", "fail_async")),
    *(
        f"checkout: {what}"
        for what in ("done", "process dies", "PromoExhausted", "PromoAlreadyRedeemed", "PaymentInProgress")
    ),
    *("checkout: PaymentProcessorError", "a voucher was given back", "break: paid_after_release", "late request"),
    *("job settle_stripe_event: done", "job send_refund: done", "job cancel_stripe_subscription: done"),
    *("duplicate event: done", "deletion: done", "sweep later: done", "sweep after the sessions: done"),
}


def test_books_agree_after_any_sequence_of_actions_and_failures(
    stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    # The pool warns of every connection that a dying process cuts.
    caplog.set_level(logging.ERROR, "psycopg.pool")
    Simulation.reached.clear()
    PaymentStateMachine.stripe = stripe
    run_state_machine_as_test(PaymentStateMachine, settings=SETTINGS)
    assert sorted(REQUIRED_OUTCOMES - set(Simulation.reached)) == []
    assert len(EXPECTED_OUTCOMES & set(Simulation.reached)) > MIN_SHARE * len(EXPECTED_OUTCOMES), sorted(
        EXPECTED_OUTCOMES - set(Simulation.reached)
    )
    died = sum(number for what, number in Simulation.reached.items() if what.startswith("process dies "))
    assert died > SETTINGS.max_examples / 4
    assert Simulation.reached["ends: purchase completed by card"] > SETTINGS.max_examples / 2


# `Any`, since the controls replace functions that this module imported.
_OPEN_PAYMENT: Any = open_payment


def _grant_before_the_session(patch: pytest.MonkeyPatch) -> None:
    reserve, confirm = _OPEN_PAYMENT.reserve, _OPEN_PAYMENT.confirm
    patch.setattr(open_payment, "reserve", lambda **kwargs: confirm(redemption=reserve(**kwargs), by=actor()))


def _skip_undoing_crashed_payments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sweep_payments, "_undo_unanswered", lambda *_, **__: None)


def _keep_the_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle_payment, "release_hold", lambda **_: None)


def _ask_for_the_plan_alone(patch: pytest.MonkeyPatch) -> None:
    create_session = gateway.create_session
    patch.setattr(gateway, "create_session", lambda asked: create_session(replace(asked, lines=asked.lines[:1])))


CONTROLS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "a voucher granted before the session": (_grant_before_the_session, "all or nothing"),
    "a hold that is not released": (_keep_the_hold, "all or nothing"),
    "a crash that no sweeper finishes": (
        _skip_undoing_crashed_payments,
        # It rests, or a job that is to close it finds no session for ever.
        r"all or nothing: . requested payments at rest|does not become idle: .*\['close_open_payment'\]",
    ),
    "lines that are left out": (_ask_for_the_plan_alone, "charge"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_control_finds_a_defect(stripe: Stripe, control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    introduce, invariant = CONTROLS[control]
    introduce(monkeypatch)
    # A job that never ends is waited for in each of the runs in which hypothesis finds the defect and repeats it.
    monkeypatch.setattr(worker, "MAX_SECONDS", 4)
    PaymentStateMachine.stripe = stripe
    with pytest.raises(AssertionError, match=invariant):
        run_state_machine_as_test(
            PaymentStateMachine, settings=settings(USUAL, phases=[Phase.generate], max_examples=200)
        )
