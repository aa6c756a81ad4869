"""Random schedules of checkouts, payments, events, jobs, refunds, sweeps, failures of Stripe, and crashes.

After each step everything is looked at that holds at any moment (always.py); in the end, when all faults are healed,
all events delivered and nothing is left to do, our books must agree with Stripe's (books.py).

PROPERTIES=thorough plays more and longer games at random; what it finds is printed as a line to add to the test
(`@reproduce_failure`).
"""

import logging
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

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
    max_examples=60,
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


def test_books_agree_whatever_happens_in_whatever_order(stripe: Stripe, caplog: pytest.LogCaptureFixture) -> None:
    # It tells of every connection that is cut.
    caplog.set_level(logging.ERROR, "psycopg.pool")
    Town.reached.clear()
    Schedule.stripe = stripe
    run_state_machine_as_test(Schedule, settings=HOW)
    print("\n".join(f"{number:6} {what}" for what, number in sorted(Town.reached.items())))
