"""A reconciliation as an operator has it: named, shown, repaired, and gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, system_actor
from orders.models import Break
from orders.use_cases.reconciliation.reconcile_stripe import PARTS, Reconciled, reconcile_stripe
from orders.use_cases.reconciliation.reconciliation_run import Finding
from tests.console import client_of, create_user
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_waiting_jobs
from tests.snapshot import nothing_changes, only_changes

BreakKey = tuple[str, str, UUID | None]

# What just happened at Stripe is by then no longer on its way.
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
) -> Reconciled:
    """A run of an hour from now, which has read everything but the parts named as unread."""
    done = reconcile_stripe(
        since=since,
        within=within,
        repair=repair,
        by=system_actor(channel="command", user_id="reconcile_stripe"),
        now=now or timezone.now() + LATER,
        parts=parts,
    )
    assert list(done.unread) == list(unread)
    return done


def break_keys(findings: list[Finding]) -> list[BreakKey]:
    return [(each.kind.value, each.object_id, each.order_id) for each in findings]


def open_breaks() -> list[BreakKey]:
    found = Break.objects.filter(closed_at=None).order_by("opened_at", "id")
    return [(each.kind, each.object_id, each.order_id) for each in found]


def break_list_page() -> str:
    """The console's list of open breaks, as an auditor has it."""
    answer = client_of(create_user(AUDITOR)).get(reverse("admin:orders_break_changelist"))
    return answer.content.decode()


def assert_found(*expected: BreakKey, now: datetime | None = None) -> None:
    """A dry run names exactly these, changes nothing else, and tells staff once."""
    with only_changes("orders_break"):
        assert break_keys(reconcile(now=now).findings) == list(expected)
    assert open_breaks() == list(expected)
    with nothing_changes():
        assert break_keys(reconcile(now=now).open) == list(expected)
    page = break_list_page()
    for kind, object_id, _ in expected:
        assert Break.Kind(kind).label in page
        assert object_id in page


def assert_repaired(stripe: Stripe, *expected: BreakKey, now: datetime | None = None) -> None:
    """`--repair` repairs exactly these; then nothing is found, the breaks are closed, and the books agree."""
    done = reconcile(repair=True, now=now)
    assert break_keys(done.findings) == list(expected)
    assert done.open == []
    assert open_breaks() == []
    while run_waiting_jobs():
        pass
    assert_books_agree(stripe)
    with nothing_changes():
        assert reconcile(repair=True, now=now).findings == []


def assert_left_open(*expected: BreakKey, now: datetime | None = None) -> None:
    """`--repair` leaves these to people, and tells of them once more to nobody."""
    with nothing_changes():
        assert break_keys(reconcile(repair=True, now=now).open) == list(expected)
    assert open_breaks() == list(expected)
