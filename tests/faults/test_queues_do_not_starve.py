"""While Stripe accepts connections and never answers, mails and provisions are not delayed."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Organization
from orders.models import Order, Payment
from orders.tasks import sweep
from tests.concurrency.wait_for import wait_until
from tests.database import database_environment
from tests.factories import OrganizationFactory
from tests.faults.test_worker_killed import PROJECT, START_SECONDS, STOP_SECONDS, bought_organization

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = 100


@contextmanager
def silent_server() -> Iterator[str]:
    """Listen, and never accept a connection: the client waits for its answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=SESSIONS) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def worker_with(stripe: str, log: Path) -> Iterator[None]:
    environment = (
        os.environ
        | database_environment()
        | {
            "SILENT_STRIPE": stripe,
            "DJANGO_SETTINGS_MODULE": "tests.faults.silent_stripe_settings",
        }
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "procrastinate", "worker"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def session_to_clean_up() -> None:
    organization = OrganizationFactory.create()
    order = Order.objects.create(
        organization=organization,
        customer=organization.customer,
        plan_id=organization.id,
        total_minor=9_000,
        currency="OMR",
        status="failed",
        placed_by=organization.customer.user_id,
        placed_by_role="customer",
        channel="api",
    )
    Payment.objects.create(
        order=order,
        status="failed",
        session_id=f"cs_{order.id}",
        amount_minor=9_000,
        currency="OMR",
        requested_at=timezone.now() - timedelta(minutes=5),
        leased_until=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
        stripe_customer_id="cus_silent",
        needs_stripe_cleanup=True,
    )


def jobs_done(*names: str) -> bool:
    done = ProcrastinateJob.objects.filter(task_name__in=names, status="succeeded")
    return set(done.values_list("task_name", flat=True)) == set(names)


def test_a_mail_and_a_provision_run_within_seconds(tmp_path: Path) -> None:
    for _ in range(SESSIONS):
        session_to_clean_up()
    sweep.configure(queueing_lock="now").defer(timestamp=0)
    with silent_server() as stripe, worker_with(stripe, tmp_path / "log"):
        sweeping = ProcrastinateJob.objects.filter(task_name="sweep_payments", status="doing")
        wait_until(sweeping.exists, "the sweeper's start", seconds=START_SECONDS)
        organization = bought_organization()
        wait_until(lambda: jobs_done("send_mail", "provision_organization"), "the mail and the provision", seconds=5)
        assert sweeping.exists()
        organization.refresh_from_db()
        assert organization.status == Organization.Status.ACTIVE
        assert Payment.objects.filter(needs_stripe_cleanup=True).count() == SESSIONS
