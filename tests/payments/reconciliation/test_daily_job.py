"""The worker's daily reconciliation, which shows breaks to staff and repairs nothing."""

from typing import Any

import pytest
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from orders.models import Break, Payment
from orders.use_cases.reconciliation.reconcile_stripe import PARTS
from tests.payments.buyer import new_buyer, session_id_of
from tests.payments.reconciliation.reconciliation_checks import open_break_keys
from tests.payments.stripe_server import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


def run_daily_job() -> list[str]:
    """Run the daily jobs and return the parts that they compared."""
    app.tasks["reconcile_with_stripe"].func(timestamp=0)
    jobs = ProcrastinateJob.objects.filter(task_name="reconcile_part", status="todo").order_by("id")
    for job in jobs:
        app.tasks["reconcile_part"].func(**job.args)
    return [job.args["part"] for job in jobs]


@pytest.mark.usefixtures("no_patience")
def test_the_daily_job_shows_breaks_to_staff_and_repairs_nothing(
    stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = new_buyer().check_out().order_id
    stripe.pay(session_id_of(order_id))

    assert run_daily_job() == list(PARTS)

    assert open_break_keys() == [("session_state_differs", session_id_of(order_id), order_id)]
    assert Payment.objects.get().status == Payment.Status.OPEN
    assert "1 breaks of sessions are open" in caplog.text


def test_the_daily_job_logs_that_stripe_is_down_and_does_not_fail(
    stripe: Stripe, caplog: pytest.LogCaptureFixture
) -> None:
    stripe.fault(path="/v1/*", method="GET", effect="drop", count=None)
    run_daily_job()
    assert "sessions not compared with Stripe" in caplog.text
    assert Break.objects.count() == 0


def test_without_a_key_the_daily_job_compares_only_our_own_rows(settings: Any) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""
    assert run_daily_job() == ["events", "ledger"]
