"""Expired keys, finished jobs, sessions and rate-limit windows are removed in batches; everything else stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob

from billing.models import (
    Customer,
    FormSubmission,
    IdempotencyKey,
    RateLimitWindow,
    RefreshToken,
    SignInCode,
    SignInSession,
)
from orders import tasks
from orders.models import DeadLetter
from orders.use_cases.prune_expired import Pruned, prune_expired
from tests.factories import UserFactory
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes

NOTHING = Pruned(keys=0, forms=0, jobs=0, sessions=0, windows=0)
DAY = timedelta(days=1)


@pytest.fixture
def now(ada: Customer) -> datetime:
    return timezone.now()


def create_keys(customer: Customer, number: int, *, expires_at: datetime) -> None:
    for each in range(number):
        IdempotencyKey.objects.create(
            customer=customer,
            key=f"{expires_at.isoformat()} {each}",
            request_hash="",
            result_id=UUID(int=each),
            created_at=expires_at - DAY,
            expires_at=expires_at,
        )


def create_job(status: str, *, at: datetime) -> int:
    """Create a job that reached this status at this time, as the worker leaves it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (task_name, queue_name, status) VALUES ('x', 'default', %s) RETURNING id",
            [status],
        )
        [identity] = cursor.fetchone()
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [identity])
        cursor.execute("INSERT INTO procrastinate_events (job_id, at) VALUES (%s, %s)", [identity, at - DAY])
        cursor.execute("INSERT INTO procrastinate_events (job_id, at) VALUES (%s, %s)", [identity, at])
    return int(identity)


def test_a_key_is_removed_when_it_expires_and_not_before(ada: Customer, now: datetime) -> None:
    create_keys(ada, 2, expires_at=now)
    create_keys(ada, 3, expires_at=now + timedelta(microseconds=1))
    assert prune_expired(now=now) == Pruned(keys=2, forms=0, jobs=0, sessions=0, windows=0)
    assert IdempotencyKey.objects.count() == 3


def test_a_kept_key_is_replayed_and_an_expired_one_is_removed(buy: Buy, ada: Customer) -> None:
    request = {"idempotency_key": "k", "fingerprint": "f"}
    first = buy("flexi", **request)
    prune_expired()
    assert buy("flexi", **request).order_id == first.order_id
    prune_expired(now=timezone.now() + DAY)
    assert not IdempotencyKey.objects.exists()


def test_all_batches_of_a_run_are_removed_and_no_more(ada: Customer, now: datetime) -> None:
    create_keys(ada, 7, expires_at=now - DAY)
    assert prune_expired(now=now, batch_size=2, max_batches=3).keys == 6
    assert prune_expired(now=now, batch_size=2, max_batches=3).keys == 1
    assert prune_expired(now=now) == NOTHING


def test_a_key_that_was_used_again_does_not_block_the_others(ada: Customer, now: datetime) -> None:
    create_keys(ada, 1, expires_at=now + DAY)
    create_keys(ada, 3, expires_at=now - DAY)
    assert prune_expired(now=now, batch_size=2).keys == 3
    assert IdempotencyKey.objects.get().expires_at > now


def test_an_event_that_was_set_aside_is_removed_after_it_was_finished_and_its_days(now: datetime) -> None:
    long_ago, lately = now - 14 * DAY, now - 14 * DAY + timedelta(seconds=1)
    for key, finished in (
        ("gone", {"applied_at": long_ago}),
        ("gone too", {"closed_at": long_ago}),
        ("kept", {"applied_at": lately}),
        ("open", {}),
    ):
        DeadLetter.objects.create(key=key, topic="sme.t", body=b"{}", reason="unknown", **finished)
    assert prune_expired(now=now) == replace(NOTHING, dead_letters=2)
    assert set(DeadLetter.objects.values_list("key", flat=True)) == {"kept", "open"}


@pytest.mark.parametrize("status", ["succeeded", "cancelled", "aborted"])
def test_a_finished_job_is_removed_with_its_events_after_its_days(status: str, now: datetime) -> None:
    gone, kept = create_job(status, at=now - 14 * DAY), create_job(status, at=now - 14 * DAY + timedelta(seconds=1))
    assert prune_expired(now=now) == Pruned(keys=0, forms=0, jobs=1, sessions=0, windows=0)
    assert list(ProcrastinateJob.objects.values_list("id", flat=True)) == [kept]
    assert not ProcrastinateEvent.objects.filter(job_id=gone).exists()


@pytest.mark.parametrize("status", ["todo", "doing", "failed"])
def test_an_unfinished_or_failed_job_is_never_removed(status: str, now: datetime) -> None:
    create_job(status, at=now - 1000 * DAY)
    with nothing_changes():
        assert prune_expired(now=now) == NOTHING


def test_sessions_and_rate_limits_past_their_end_go(now: datetime) -> None:
    for number, ends in enumerate((now, now + DAY)):
        Session.objects.create(session_key=f"s-{number}", session_data="", expire_date=ends)
        RateLimitWindow.objects.create(key=f"w-{number}", hits=1, ends_at=ends)
    assert prune_expired(now=now) == Pruned(keys=0, forms=0, jobs=0, sessions=1, windows=1)
    assert Session.objects.get().session_key == "s-1"
    assert RateLimitWindow.objects.get().key == "w-1"


def test_ids_of_forms_past_their_end_go(now: datetime) -> None:
    for number, ends in enumerate((now, now + DAY)):
        made = {"form_id": UUID(int=number), "submitted_at": now - DAY, "expires_at": ends}
        FormSubmission.objects.create(**made)
    assert prune_expired(now=now) == Pruned(keys=0, forms=1, jobs=0, sessions=0, windows=0)
    assert FormSubmission.objects.get().form_id == UUID(int=1)


def test_the_worker_prunes_of_itself(ada: Customer, now: datetime) -> None:
    create_keys(ada, 1, expires_at=now)
    tasks.prune(timestamp=0)
    assert not IdempotencyKey.objects.exists()


def test_what_is_for_ever_stays(buy: Buy) -> None:
    buy("flexi", idempotency_key="k", fingerprint="f")
    IdempotencyKey.objects.all().delete()
    with nothing_changes():
        prune_expired(now=timezone.now() + DAY)


def test_expired_sign_in_codes_and_refresh_tokens_are_removed(now: datetime) -> None:
    for number, expires_at in enumerate((now, now + timedelta(seconds=1))):
        SignInCode.objects.create(email=f"p{number}@example.org", key=UUID(int=number), expires_at=expires_at)
        session = SignInSession.objects.create(user=UserFactory.create(), method="code")
        RefreshToken.objects.create(session=session, token_hash=f"{number:064x}", expires_at=expires_at)
    assert prune_expired(now=now) == replace(NOTHING, sign_in_codes=1, refresh_tokens=1)
    assert (SignInCode.objects.count(), RefreshToken.objects.count()) == (1, 1)
