"""The worker and the sweeper, made to work here and now."""

from datetime import datetime, timedelta
from time import monotonic

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from orders.models import Payment
from orders.stripe import gateway
from orders.use_cases.organizations.provision_organization import provision_organization
from orders.use_cases.payments.open_payment import LEASE
from orders.use_cases.payments.sweep_payments import EVENT_PATIENCE, Swept, sweep_payments
from tests.payments.shopping import deliver
from tests.payments.stripe_process import Stripe

SETTLING = (
    "settle_stripe_event",
    "send_refund",
    "cancel_stripe_subscription",
    "ask_stripe_subscription",
    "link_payment_intent",
)
PATIENCE_SECONDS = 20
PATIENT_ROUNDS = 25


def work() -> int:
    """Does every job of card payments that waits, once; how many could be done. The others wait on."""
    return sum(do_job(job) for job in jobs_to_do())


def jobs_to_do() -> list[ProcrastinateJob]:
    """The jobs that `work` would do, oldest first; mails are left alone, and are tested elsewhere."""
    names = (*SETTLING, "provision_organization")
    return list(ProcrastinateJob.objects.filter(status="todo", task_name__in=names).order_by("id"))


def do_job(job: ProcrastinateJob) -> bool:
    """Whether it could be done. The organization's start is done without its mail."""
    if job.task_name == "provision_organization":
        provision_organization(order_id=job.args["order_id"])
    else:
        try:
            app.tasks[job.task_name].func(**job.args)
        except (gateway.Unanswered, gateway.Refused, gateway.NotConfigured):
            return False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job.id])
    return True


def waiting_jobs() -> list[str]:
    """The names of the jobs of card payments that could not be done yet."""
    waiting = ProcrastinateJob.objects.filter(status="todo", task_name__in=SETTLING)
    return sorted(waiting.values_list("task_name", flat=True))


def sweep(*, now: datetime | None = None) -> Swept:
    """A round of the sweeper after every lease of now has run out, though no session."""
    return sweep_payments(now=now or timezone.now() + max(LEASE, EVENT_PATIENCE) + timedelta(seconds=1))


def work_until_quiet(stripe: Stripe, *, now: datetime | None = None) -> None:
    """Delivers, works and sweeps, round after round, until a round changes nothing and nothing waits."""
    deadline = monotonic() + PATIENCE_SECONDS
    rounds = 0
    while monotonic() < deadline:
        delivered = deliver(stripe)
        done = work()
        swept = sweep(now=now)
        rounds += 1
        if swept.left and rounds > PATIENT_ROUNDS:
            # Nothing was made, and Stripe's answer under the key is a 500 for a day: its session's time has come.
            Payment.objects.filter(needs_stripe_cleanup=True).update(expires_at=timezone.now())
        if not (delivered or done or swept.undone or swept.closed or swept.settled or swept.left or waiting_jobs()):
            return
    raise AssertionError(f"it does not come to rest: {swept}, {waiting_jobs()}")
