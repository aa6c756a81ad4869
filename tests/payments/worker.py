"""Run the worker's jobs and the sweeper in the test's own process."""

from datetime import datetime, timedelta
from time import monotonic

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from orders.errors import PaymentProcessorError
from orders.models import Payment
from orders.stripe import gateway
from orders.use_cases.organizations.provision_organization import provision_organization
from orders.use_cases.payments.open_payment import LEASE
from orders.use_cases.payments.sweep_payments import JOB_GRACE, Swept, sweep_payments
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events

STRIPE_JOBS = (
    "settle_stripe_event",
    "send_refund",
    "cancel_stripe_subscription",
    "update_stripe_email",
    "refetch_stripe_subscription",
    "link_payment_intent",
    "settle_month_at_stripe",
    "send_cancellation",
    "send_prices",
    "find_charge_owner",
    "settle_long_invoice",
    "close_open_payment",
)
MAX_SECONDS = 20
ROUNDS_BEFORE_EXPIRY = 25


def run_waiting_jobs() -> int:
    """Run every waiting job of card payments once. Return how many succeeded; the others stay in the queue."""
    return sum(run_job(job) for job in runnable_jobs())


def runnable_jobs() -> list[ProcrastinateJob]:
    """The jobs that `run_waiting_jobs` runs, oldest first. Mails have tests of their own and are left out."""
    names = (*STRIPE_JOBS, "provision_organization")
    return list(ProcrastinateJob.objects.filter(status="todo", task_name__in=names).order_by("id"))


def run_job(job: ProcrastinateJob) -> bool:
    """Run one job and return whether it succeeded. Provisioning runs without its mail."""
    if job.task_name == "provision_organization":
        provision_organization(order_id=job.args["order_id"])
    else:
        try:
            app.tasks[job.task_name].func(**job.args)
        except (gateway.Unanswered, gateway.Refused, gateway.NotConfigured, PaymentProcessorError):
            return False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job.id])
    return True


def unfinished_jobs() -> list[str]:
    """The names of the waiting jobs that talk to Stripe or settle its events."""
    waiting = ProcrastinateJob.objects.filter(status="todo", task_name__in=STRIPE_JOBS)
    return sorted(waiting.values_list("task_name", flat=True))


def sweep(*, now: datetime | None = None) -> Swept:
    """Run the sweeper once, by default at a time when every lease has run out but no session has."""
    return sweep_payments(now=now or timezone.now() + max(LEASE, JOB_GRACE) + timedelta(seconds=1))


def run_until_idle(stripe: Stripe, *, now: datetime | None = None) -> None:
    """Deliver events, run jobs and sweep in rounds, until a round changes nothing and no job waits."""
    deadline = monotonic() + MAX_SECONDS
    rounds = 0
    while monotonic() < deadline:
        delivered = deliver_events(stripe)
        succeeded = run_waiting_jobs()
        swept = sweep(now=now)
        rounds += 1
        if swept.left and rounds > ROUNDS_BEFORE_EXPIRY:
            # Stripe made no session and repeats a stored 500 for a day: act as if the session's time were over.
            Payment.objects.filter(needs_stripe_cleanup=True).update(expires_at=timezone.now())
        if not (
            delivered or succeeded or swept.undone or swept.closed or swept.settled or swept.left or unfinished_jobs()
        ):
            return
    raise AssertionError(f"the service does not become idle: {swept}, {unfinished_jobs()}")
