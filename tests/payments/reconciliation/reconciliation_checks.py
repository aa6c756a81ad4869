"""Run reconciliation as an operator does, and check what it finds, shows to staff, repairs and leaves open."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, system_actor
from orders.models import Break
from orders.use_cases.reconciliation.reconcile_stripe import PARTS, ReconciliationResult, reconcile_stripe
from orders.use_cases.reconciliation.reconciliation_run import Finding
from tests.console import client_of, create_user
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_waiting_jobs
from tests.snapshot import nothing_changes, only_changes

# Kind, object id and order id of a break.
BreakKey = tuple[str, str, UUID | None]

# By then the webhook of a change made now is overdue.
LATER = timedelta(hours=1)
MONTH = timedelta(days=30)


def reconcile(
    *,
    repair: bool = False,
    now: datetime | None = None,
    since: timedelta = MONTH,
    parts: tuple[str, ...] = tuple(PARTS),
    within: timedelta = timedelta(minutes=5),
    unread: Sequence[str] = (),
) -> ReconciliationResult:
    """Run reconciliation, by default an hour from now, and assert that it read all parts but these."""
    run = reconcile_stripe(
        since=since,
        within=within,
        repair=repair,
        by=system_actor(channel="command", user_id="reconcile_stripe"),
        now=now or timezone.now() + LATER,
        parts=parts,
    )
    assert list(run.unread) == list(unread)
    return run


def break_keys(findings: list[Finding]) -> list[BreakKey]:
    return [(each.kind.value, each.object_id, each.order_id) for each in findings]


def open_break_keys() -> list[BreakKey]:
    found = Break.objects.filter(closed_at=None).order_by("opened_at", "id")
    return [(each.kind, each.object_id, each.order_id) for each in found]


def break_list_page() -> str:
    """The page of the console on which an auditor sees the open breaks."""
    answer = client_of(create_user(AUDITOR)).get(reverse("admin:orders_break_changelist"))
    return answer.content.decode()


def assert_found(*expected: BreakKey, now: datetime | None = None) -> None:
    """Assert that a dry run finds exactly these breaks, changes nothing else, and shows each to staff once."""
    with only_changes("orders_break"):
        assert break_keys(reconcile(now=now).findings) == list(expected)
    assert open_break_keys() == list(expected)
    with nothing_changes():
        assert break_keys(reconcile(now=now).open) == list(expected)
    page = break_list_page()
    for kind, object_id, _ in expected:
        assert Break.Kind(kind).label in page
        assert object_id in page


def assert_repaired(stripe: Stripe, *expected: BreakKey, now: datetime | None = None) -> None:
    """Assert that `--repair` repairs exactly these breaks, closes them, and leaves books that agree."""
    run = reconcile(repair=True, now=now)
    assert break_keys(run.findings) == list(expected)
    assert run.open == []
    assert open_break_keys() == []
    while run_waiting_jobs():
        pass
    assert_books_agree(stripe)
    with nothing_changes():
        assert reconcile(repair=True, now=now).findings == []


def assert_left_open(*expected: BreakKey, now: datetime | None = None) -> None:
    """Assert that `--repair` leaves exactly these breaks open, and records nothing new."""
    with nothing_changes():
        assert break_keys(reconcile(repair=True, now=now).open) == list(expected)
    assert open_break_keys() == list(expected)
