"""Random schedules of checkouts, payments, events, jobs, refunds, sweeps, failures of Stripe, and crashes.

After each step everything is looked at that holds at any moment (always.py); in the end, when all faults are healed,
all events delivered and nothing is left to do, our books must agree with Stripe's (books.py).

PROPERTIES=thorough plays more and longer games at random; what it finds is printed as a line to add to the test
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
from tests.payments.schedule import Schedule
from tests.payments.stripe_process import Stripe
from tests.payments.town import Town

pytestmark = pytest.mark.django_db(transaction=True)

# A slow machine is no finding.
PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
USUAL = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=40,
    stateful_step_count=50,
    report_multiple_bugs=False,
    suppress_health_check=PATIENT,
)
THOROUGH = settings(
    deadline=None,
    database=None,
    print_blob=True,
    max_examples=1_000,
    stateful_step_count=60,
    report_multiple_bugs=False,
    suppress_health_check=PATIENT,
)
HOW = {"usual": USUAL, "thorough": THOROUGH}[os.environ.get("PROPERTIES", "usual")]

# Schedules that never get anywhere show nothing: all of these are reached by every run, and most of REACHED. What of
# it is missed differs, since which process comes first does. `pytest --hypothesis-show-statistics` tells all of it.
ALWAYS_REACHED = {
    *(f"ends: purchase {status} by card" for status in ("completed", "expired", "failed")),
    *("ends: purchase completed by credit", "ends: renewal completed by credit"),
    *("checkout: done", "checkout: dies", "duplicate event: done", "renewal is renewed"),
}
MOST = 0.8
REACHED = {
    *(f"ends: purchase {status} by card" for status in ("completed", "expired", "failed", "cancelled", "pending")),
    *(f"ends: {kind} {status} by credit" for kind in ("purchase", "renewal") for status in ("completed", "refunded")),
    *(f"renewal is {outcome}" for outcome in ("renewed", "past_due", "waiting", "canceled")),
    *(f"at Stripe: {what}" for what in ("pay", "refuse", "expire", "pay_async", "settle_async", "fail_async")),
    *(
        f"checkout: {what}"
        for what in ("done", "dies", "PromoExhausted", "PromoAlreadyRedeemed", "PaymentInProgress")
    ),
    *("checkout: PaymentProcessorError", "a voucher was given back", "break: paid_after_release", "late request"),
    *("job settle_stripe_event: done", "job send_refund: done", "job cancel_stripe_subscription: done"),
    *("duplicate event: done", "deletion: done", "sweep later: done", "sweep after the sessions: done"),
}


def test_books_agree_whatever_happens_in_whatever_order(stripe: Stripe, caplog: pytest.LogCaptureFixture) -> None:
    # It tells of every connection that is cut.
    caplog.set_level(logging.ERROR, "psycopg.pool")
    Town.reached.clear()
    Schedule.stripe = stripe
    run_state_machine_as_test(Schedule, settings=HOW)
    assert sorted(ALWAYS_REACHED - set(Town.reached)) == []
    assert len(REACHED & set(Town.reached)) > MOST * len(REACHED), sorted(REACHED - set(Town.reached))
    died = sum(number for what, number in Town.reached.items() if what.startswith("dies "))
    assert died > HOW.max_examples / 4
    assert Town.reached["ends: purchase completed by card"] > HOW.max_examples / 2


# Its names are taken and put back without its types knowing.
_OPEN_PAYMENT: Any = open_payment


def _grants_before_the_session(patch: pytest.MonkeyPatch) -> None:
    reserve, confirm = _OPEN_PAYMENT.reserve, _OPEN_PAYMENT.confirm
    patch.setattr(open_payment, "reserve", lambda **told: confirm(redemption=reserve(**told), by=actor()))


def _leaves_what_a_crash_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sweep_payments, "_undo", lambda *_, **__: None)


def _forgets_the_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle_payment, "release", lambda **_: None)


def _asks_for_the_plan_alone(patch: pytest.MonkeyPatch) -> None:
    truly = gateway.create_session
    patch.setattr(gateway, "create_session", lambda asked: truly(replace(asked, lines=asked.lines[:1])))


CONTROLS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "a voucher granted before the session": (_grants_before_the_session, "I3"),
    "a hold that is not released": (_forgets_the_hold, "I3"),
    "a crash that nobody finishes": (_leaves_what_a_crash_left, "I3: . requested payments at rest"),
    "lines that are left out": (_asks_for_the_plan_alone, "I7"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_control_a_defect_is_found(stripe: Stripe, control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    introduce, invariant = CONTROLS[control]
    introduce(monkeypatch)
    Schedule.stripe = stripe
    with pytest.raises(AssertionError, match=invariant):
        run_state_machine_as_test(Schedule, settings=settings(USUAL, phases=[Phase.generate], max_examples=200))
