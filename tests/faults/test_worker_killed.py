"""A worker that is killed and restarted provisions an organization, with one event.

The job of a killed worker stays `doing` until the worker's heartbeat is stale; any running worker then requeues it
within seconds. The tests set the clock back in the database instead of waiting for it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from procrastinate import JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Status

from billing.jobs import enqueue_once
from billing.models import Organization
from config.queue_worker import QueueWorker
from config.worker import QUEUES, retry_stalled_jobs
from orders.models import OutboxEvent
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from tests.concurrency.wait_for import Other, other_connection, wait_until
from tests.database import database_environment
from tests.factories import OrganizationFactory, PlanFactory, acting, give_credit

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 40
STOP_SECONDS = 15


@contextmanager
def worker(log: Path, *, lock_timeout_ms: int = 60_000) -> Iterator[subprocess.Popen[bytes]]:
    """Run the worker as production does, on this test's database; kill it on exit.

    It waits longer for locks than in production, so that it still waits when a slow test kills it.
    """
    url = f"{database_environment()['DATABASE_URL']}&options=-c%20lock_timeout%3D{lock_timeout_ms}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
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
        yield process
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.wait(STOP_SECONDS) == -signal.SIGKILL


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the worker as an operator does: it finishes its job first."""
    process.terminate()
    assert process.wait(STOP_SECONDS) == 0


def bought_organization() -> Organization:
    plan = PlanFactory.create()
    organization = OrganizationFactory.create()
    give_credit(organization.customer, plan.price_minor)
    place_order(request=CheckoutRequest(tenant_id=organization.id, plan=plan.slug), by=acting(organization.customer))
    organization.refresh_from_db()
    assert organization.status == Organization.Status.PROVISIONING
    return organization


def wait_until_blocked_by(holder: Other) -> None:
    """Wait until a connection waits for a lock of the holder. Periodic jobs wait for one another now and then."""

    def is_blocking() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)))",
                [holder.info.backend_pid],
            )
            return bool(cursor.fetchone()[0])

    wait_until(is_blocking, "waiting for the holder's lock", seconds=START_SECONDS)


def wait_for_two_processes() -> None:
    wait_until(
        lambda: len(_column("SELECT id FROM procrastinate_workers")) == 2 * len(QUEUES),
        "two processes",
        seconds=START_SECONDS,
    )


def hold_organization(other: Other, organization: Organization) -> None:
    other.execute("SELECT FROM billing_organization WHERE id = %s FOR UPDATE", [organization.id])


def backends_waiting() -> list[int]:
    return _column("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def wait_until_gone(backends: list[int]) -> None:
    wait_until(
        lambda: not set(backends) & set(_column("SELECT pid FROM pg_stat_activity")),
        "the end of the server processes",
    )


def let_a_minute_pass() -> None:
    """Make heartbeats a minute older."""
    _execute("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 minute'")


def job_of(organization: Organization) -> ProcrastinateJob:
    found: ProcrastinateJob = ProcrastinateJob.objects.get(lock=f"organization:{organization.id}")
    return found


def events_of(organization_id: UUID) -> list[str]:
    events = OutboxEvent.objects.filter(tenant_id=organization_id).order_by("type")
    return list(events.values_list("type", flat=True))


def wait_until_done(organization: Organization, log: Path) -> None:
    try:
        wait_until(lambda: job_of(organization).status == "succeeded", "the job", seconds=START_SECONDS)
    except AssertionError as error:
        error.add_note(log.read_text())
        raise


def assert_active_with_one_event(organization: Organization) -> None:
    organization.refresh_from_db()
    assert organization.status == Organization.Status.ACTIVE
    assert events_of(organization.id) == ["order.placed", "tenant.created"]


def test_a_worker_provisions_an_ordered_organization(tmp_path: Path) -> None:
    organization = bought_organization()
    with worker(tmp_path / "log") as process:
        wait_until_done(organization, tmp_path / "log")
        stop(process)
    assert_active_with_one_event(organization)
    assert job_of(organization).attempts == 1


def test_a_job_that_cannot_lock_the_organization_is_retried(tmp_path: Path) -> None:
    organization = bought_organization()
    with other_connection() as other:
        hold_organization(other, organization)
        with worker(tmp_path / "log", lock_timeout_ms=100) as process:
            wait_until(lambda: job_of(organization).attempts >= 1, "an attempt", seconds=START_SECONDS)
            other.rollback()
            wait_until_done(organization, tmp_path / "log")
            stop(process)
    assert_active_with_one_event(organization)
    assert job_of(organization).attempts >= 2


def test_a_worker_killed_inside_the_job_is_replaced_by_the_next(tmp_path: Path) -> None:
    organization = bought_organization()
    with other_connection() as other:
        hold_organization(other, organization)
        with worker(tmp_path / "first") as process:
            wait_until_blocked_by(other)
            waiting = backends_waiting()
            kill(process)
        other.rollback()
        wait_until_gone(waiting)

    organization.refresh_from_db()
    assert organization.status == Organization.Status.PROVISIONING
    assert events_of(organization.id) == ["order.placed"]
    assert job_of(organization).status == "doing"
    let_a_minute_pass()
    with worker(tmp_path / "second") as process:
        wait_until_done(organization, tmp_path / "second")
        stop(process)
    assert_active_with_one_event(organization)


def test_a_worker_killed_between_the_jobs_commit_and_its_end_is_replaced_by_the_next(tmp_path: Path) -> None:
    organization = bought_organization()
    with other_connection() as other, other_connection() as third:
        hold_organization(other, organization)
        with worker(tmp_path / "first") as process:
            wait_until_blocked_by(other)
            # Jobs of other queues run at the same time, and must not wait too.
            third.execute("SELECT FROM procrastinate_jobs WHERE task_name = 'provision_organization' FOR UPDATE")
            other.rollback()
            wait_until(lambda: "tenant.created" in events_of(organization.id), "the job's commit")
            wait_until_blocked_by(third)
            waiting = backends_waiting()
            kill(process)
        # The statement that ends the job commits by itself: the server would finish one that waits for a lock.
        for backend in waiting:
            other.execute("SELECT pg_terminate_backend(%s)", [backend])
        wait_until_gone(waiting)
        third.rollback()

    let_a_minute_pass()
    with worker(tmp_path / "second") as process:
        wait_until_done(organization, tmp_path / "second")
        stop(process)
    assert_active_with_one_event(organization)


def test_a_running_worker_takes_over_the_job_of_a_killed_one(tmp_path: Path) -> None:
    organization = bought_organization()
    with other_connection() as other:
        hold_organization(other, organization)
        with worker(tmp_path / "first") as first:
            wait_until_blocked_by(other)
            waiting = backends_waiting()
            with worker(tmp_path / "second") as second:
                wait_for_two_processes()
                kill(first)
                other.rollback()
                wait_until_gone(waiting)
                _execute(
                    "UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 minute'"
                    " WHERE id = (SELECT worker_id FROM procrastinate_jobs WHERE status = 'doing'"
                    " AND task_name = 'provision_organization')"
                )
                wait_until_done(organization, tmp_path / "second")
                stop(second)
    assert_active_with_one_event(organization)


def test_the_job_of_a_running_worker_is_not_taken_over(tmp_path: Path) -> None:
    organization = bought_organization()
    with other_connection() as other:
        hold_organization(other, organization)
        with worker(tmp_path / "first") as first:
            wait_until_blocked_by(other)
            with worker(tmp_path / "second") as second:
                wait_for_two_processes()
                async_to_sync(retry_stalled_jobs)(app)
                assert job_of(organization).status == "doing"
                stop(second)
            other.rollback()
            wait_until_done(organization, tmp_path / "first")
            stop(first)
    assert_active_with_one_event(organization)


def test_a_stopping_worker_stays_alive_until_its_jobs_end(tmp_path: Path) -> None:
    """Else another worker would take over a job that still runs."""
    organization = bought_organization()
    with other_connection() as other:
        hold_organization(other, organization)
        with worker(tmp_path / "log") as process:
            wait_until_blocked_by(other)
            process.terminate()
            wait_until(lambda: len(heartbeats_after(0)) == 1, "the end of the idle queues")
            [before] = heartbeats_after(0)
            wait_until(lambda: heartbeats_after(before), "a later heartbeat")
            other.rollback()
            assert process.wait(STOP_SECONDS) == 0
    assert_active_with_one_event(organization)
    assert job_of(organization).attempts == 1


def heartbeats_after(seconds: int) -> list[int]:
    """Return the heartbeats of all workers that are later than this, in seconds of the epoch."""
    heartbeats = _column("SELECT extract(epoch FROM last_heartbeat) FROM procrastinate_workers")
    return [each for each in heartbeats if each > seconds]


def round_that_nobody_runs() -> list[str]:
    """Add a round whose worker is dead, and the next round. Return their states, the older first."""
    for status in ("doing", "todo"):
        enqueue_once("deliver_webhooks", key="deliver_webhooks", timestamp="1")
        _execute(f"UPDATE procrastinate_jobs SET status = '{status}' WHERE status = 'todo'")
    return states()


def states() -> list[str]:
    return list(ProcrastinateJob.objects.order_by("id").values_list("status", flat=True))


def test_a_round_of_a_killed_worker_ends_where_the_next_one_waits() -> None:
    """Both have one lock. If the dead round stayed `doing`, no later round would ever begin."""
    assert round_that_nobody_runs() == ["doing", "todo"]
    async_to_sync(retry_stalled_jobs)(app)
    assert states() == ["aborted", "todo"]


def test_a_job_that_fails_ends_where_an_equal_one_waits() -> None:
    assert round_that_nobody_runs() == ["doing", "todo"]

    async def fail() -> None:
        [job] = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=1)
        decision = RetryDecision(retry_in={"seconds": 1})
        worker = QueueWorker(app=app, queues=["events"])
        context = JobContext(app=app, job=job, start_timestamp=0, abort_reason=lambda: None)
        await worker._persist_job_status(job, Status.FAILED, decision, context=context, job_result=None)

    async_to_sync(fail)()
    assert states() == ["aborted", "todo"]


def _column(query: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [int(value) for (value,) in cursor.fetchall()]


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
