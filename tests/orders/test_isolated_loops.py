"""A guard: where a job works through many items, one item that fails does not stop the others.

Every loop of the jobs and of the use cases that they run is listed here with what isolates its items. A new loop
fails the first test until it is listed. A loop whose items are isolated has a test below that makes one of them fail.
"""

import ast
import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError

from config.worker import retry_stalled_jobs
from orders.models import StripeEvent
from orders.stripe import gateway
from orders.stripe import subscriptions as stripe_subscriptions
from orders.use_cases import prune_expired
from orders.use_cases.payments import sweep_payments
from orders.use_cases.reconciliation import reconcile_stripe
from tests.factories import actor

ORDERS = Path(__file__).parents[2] / "orders"
# The folders of use cases that jobs run, and the modules of which one call may go through many items.
FOLDERS = (
    "balance",
    "books",
    "documents",
    "events",
    "figures",
    "mail",
    "organizations",
    "payments",
    "personal",
    "provisioning",
    "reconciliation",
    "subscriptions",
    "webhooks",
)
FILES = (
    ORDERS / "tasks.py",
    ORDERS / "stripe" / "gateway.py",
    ORDERS / "stripe" / "subscriptions.py",
    *(ORDERS / "use_cases").glob("*.py"),
    *(path for folder in FOLDERS for path in (ORDERS / "use_cases" / folder).glob("*.py")),
)

TESTED = "a test below makes one item fail"
ONE_THING = "the items belong to one order, subscription, event or endpoint, which is one transaction or one job"
ALL_OR_NONE = "one transaction of a command, which changes all or none"
REFUSED = "an event that the broker refuses is stored as refused, and the others are delivered"
APPLIED_OR_SET_ASIDE = "an event that fails is set aside at the broker or delivered again, and the others are applied"
OF_ENDPOINTS = "one endpoint's failure leaves the others alone, tested in tests/orders/webhooks"
OF_EVENTS = (
    "an event that is not mirrored leaves the others alone, tested in tests/orders/stripe/test_mirror_events.py"
)
NEXT_RUN = "the items belong to one customer, and a job of its own takes each that is left in the next run"
ENQUEUES = "each item becomes a job of its own"
COMPUTES = "reads or computes only"
IN_ORDER = "the numbers of documents follow the order of the entries, so none is issued before the one that fails"
OLDEST_FIRST = "a week of Stripe's balance is booked before the next, so that no run leaves a gap behind it"
ONE_PERSON = "the items are of one customer, whose erasure is one transaction"
ISOLATED = (
    "its items go through ReconciliationRun.compare_each or repair_with, tested in tests/payments/reconciliation"
)

LOOPS = {
    "tasks.py _play_steps": ONE_THING,
    "tasks.py renew_due_subscriptions": ENQUEUES,
    "tasks.py follow_vat_rate": ENQUEUES,
    "tasks.py reconcile_with_stripe": ENQUEUES,
    "tasks.py reconcile_part": COMPUTES,
    "tasks.py verify_books": COMPUTES,
    "stripe/gateway.py find_session": COMPUTES,
    "stripe/gateway.py refund_payment": COMPUTES,
    "stripe/subscriptions.py void_open_invoices": TESTED,
    "stripe/gateway.py list_pages": COMPUTES,
    "use_cases/events/deliver_events.py deliver_batch": REFUSED,
    "use_cases/balance/book_movements.py book_movements": OLDEST_FIRST,
    "use_cases/balance/mirror_balance.py mirror_balance": OLDEST_FIRST,
    "use_cases/balance/reconcile_balance.py reconcile_balance": ISOLATED,
    "use_cases/balance/reconcile_balance.py _load_posted": COMPUTES,
    "use_cases/books/close_month.py verify_closed_months": COMPUTES,
    "use_cases/books/close_month.py _by_currency": COMPUTES,
    "use_cases/books/journal.py journal_lines": COMPUTES,
    "use_cases/books/journal.py write_csv": COMPUTES,
    "use_cases/books/journal.py summarize": COMPUTES,
    "use_cases/books/journal.py counted": COMPUTES,
    "use_cases/books/roll_forward.py roll_forward": COMPUTES,
    "use_cases/books/roll_forward.py _books": COMPUTES,
    "use_cases/documents/compose_document.py compose_documents": COMPUTES,
    "use_cases/documents/issue_documents.py issue_documents": IN_ORDER,
    "use_cases/documents/issue_documents.py _issue_batch": IN_ORDER,
    "use_cases/documents/sheet.py __init__": COMPUTES,
    "use_cases/documents/sheet.py to_bytes": COMPUTES,
    "use_cases/documents/sheet.py paragraph": COMPUTES,
    "use_cases/documents/sheet.py columns": COMPUTES,
    "use_cases/documents/sheet.py _row": COMPUTES,
    "use_cases/documents/sheet.py rows": COMPUTES,
    "use_cases/events/deliver_events.py _in_turns": COMPUTES,
    "use_cases/events/deliver_events.py deliver_events": REFUSED,
    "use_cases/events/receive_events.py receive_events": APPLIED_OR_SET_ASIDE,
    "use_cases/events/receive_events.py receive_batch": APPLIED_OR_SET_ASIDE,
    "use_cases/mail/remind_of_renewal.py _queue_batch": ENQUEUES,
    "use_cases/mail/remind_of_renewal.py remind_of_renewals": ENQUEUES,
    "use_cases/payments/mirror_events.py mirror_events": OF_EVENTS,
    "use_cases/payments/settle_event.py _find_order_of_charge": COMPUTES,
    "use_cases/payments/settle_payment.py _requeue_early_events": ENQUEUES,
    "use_cases/payments/sweep_payments.py run_each": TESTED,
    "use_cases/personal/erase_customer.py _erase": ONE_PERSON,
    "use_cases/personal/erase_customer.py _delete_unused_organizations": ONE_PERSON,
    "use_cases/personal/finish_erasure.py finish_erasure": ONE_PERSON,
    "use_cases/personal/finish_erasure.py _scrub": ONE_PERSON,
    "use_cases/provisioning/find_provision.py _make_newest": COMPUTES,
    "use_cases/provisioning/report_progress.py merge_steps": COMPUTES,
    "use_cases/prune_expired.py prune_expired": TESTED,
    "use_cases/prune_expired.py _delete_batches": COMPUTES,
    "use_cases/reconciliation/close_break.py close_resolved_breaks": ONE_THING,
    "use_cases/reconciliation/reconcile_charges.py reconcile_charges": ISOLATED,
    "use_cases/reconciliation/reconcile_disputes.py reconcile_disputes": ISOLATED,
    "use_cases/reconciliation/reconcile_invoices.py reconcile_invoices": ISOLATED,
    "use_cases/reconciliation/reconcile_ledger.py reconcile_ledger": ISOLATED,
    "use_cases/reconciliation/reconcile_ledger.py _find_unspent": COMPUTES,
    "use_cases/reconciliation/reconcile_ledger.py _find_unreturned": COMPUTES,
    "use_cases/reconciliation/reconcile_ledger.py _find_left_holds": ISOLATED,
    "use_cases/reconciliation/reconcile_refunds.py reconcile_refunds": ISOLATED,
    "use_cases/reconciliation/reconcile_sessions.py reconcile_sessions": ISOLATED,
    "use_cases/reconciliation/reconcile_stripe.py reconcile_stripe": TESTED,
    "use_cases/reconciliation/reconcile_stripe.py _run_part": ISOLATED,
    "use_cases/reconciliation/reconcile_subscriptions.py reconcile_subscriptions": ISOLATED,
    "use_cases/reconciliation/reconciliation_run.py _read_references": COMPUTES,
    "use_cases/reconciliation/reconciliation_run.py list_pages": COMPUTES,
    "use_cases/reconciliation/reconciliation_run.py compare_each": ISOLATED,
    "use_cases/subscriptions/end_subscriptions.py end_subscriptions": ONE_THING,
    "use_cases/subscriptions/follow_vat_rate.py find_repriced_subscriptions": COMPUTES,
    "use_cases/subscriptions/pay_due_months.py pay_due_months": NEXT_RUN,
    "use_cases/subscriptions/pay_stripe_months.py pay_stripe_months": ONE_THING,
    "use_cases/subscriptions/renew_subscription.py renew_subscription": ONE_THING,
    "use_cases/webhooks/deliver_webhooks.py start": OF_ENDPOINTS,
    "use_cases/webhooks/deliver_webhooks.py wait": OF_ENDPOINTS,
    "use_cases/webhooks/deliver_webhooks.py deliver_webhooks": OF_ENDPOINTS,
    "use_cases/webhooks/deliver_webhooks.py forget_times_ahead": OF_ENDPOINTS,
    "use_cases/webhooks/deliver_webhooks.py find_due": COMPUTES,
    "use_cases/webhooks/deliver_webhooks.py record_attempts": ONE_THING,
    "use_cases/webhooks/endpoint_secrets.py _read_earlier_secrets": COMPUTES,
    "use_cases/webhooks/endpoint_secrets.py encrypt_secrets_anew": ALL_OR_NONE,
    "use_cases/webhooks/keep_endpoints.py change_endpoint": ONE_THING,
}


class Broken(Exception):
    """The error that a mistake of ours raises."""


def test_every_loop_is_listed() -> None:
    found = set()
    for path in FILES:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
                isinstance(node, (ast.For, ast.While, ast.AsyncFor)) for node in ast.walk(function)
            ):
                found.add(f"{path.relative_to(ORDERS)} {function.name}")
    assert found == set(LOOPS)


def test_the_jobs_run_use_cases_of_these_folders_only() -> None:
    imported = set()
    for node in ast.walk(ast.parse((ORDERS / "tasks.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orders.use_cases."):
            imported.add((node.module or "").split(".")[2])
    modules = {path.stem for path in (ORDERS / "use_cases").glob("*.py")}
    assert imported - modules <= set(FOLDERS)


# The steps of the sweeper, each with the query that finds its items.
STEPS = {
    "_undo_unanswered": "find_abandoned_payments",
    "_clean_up_session": "_choose",
    "_settle_overdue": "_choose",
    "_settle_debit": "_choose",
    "_settle_event": "_choose",
    "_settle_again": "_find_linked_events",
    "_close_unowned_event": "_find_unowned_events",
    "_send_refund": "_choose",
    "_mirror_later": "_find_unmirrored_events",
}


def test_the_sweeper_has_these_steps() -> None:
    tree = ast.parse(Path(sweep_payments.__file__).read_text())
    sweep = tree
    called = {
        ast.unparse(each.body.func)
        for each in ast.walk(sweep)
        if isinstance(each, ast.Lambda) and isinstance(each.body, ast.Call)
    }
    assert called == set(STEPS)


@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", [Broken("a mistake"), gateway.Refused("no"), gateway.Unanswered("?")])
def test_an_item_that_fails_stops_no_other_item_of_the_sweeper(
    monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    done: list[tuple[str, str]] = []

    def record(name: str) -> Callable[..., None]:
        def run(key: str, *_: Any, **__: Any) -> None:
            if (name, key) == (step, "bad"):
                raise error
            done.append((name, key))

        return run

    for name, query in STEPS.items():
        monkeypatch.setattr(sweep_payments, query, lambda *_, **__: ["bad", "good"])
        monkeypatch.setattr(sweep_payments, name, record(name))

    swept = sweep_payments.sweep_payments()

    assert done == [(name, key) for name in STEPS for key in ("bad", "good") if (name, key) != (step, "bad")]
    assert (swept.failed if isinstance(error, Broken) else swept.left) == ["bad"]


@pytest.mark.django_db
def test_rows_that_fail_in_every_round_do_not_keep_the_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_payments, "MAX_ITEMS", 1)
    for number in range(3):
        StripeEvent.objects.create(id=f"evt_{number}", type="x", payload={}, occurred_at="2026-01-01T00:00:00Z")
    chosen = {sweep_payments._choose(StripeEvent.objects.all())[0] for _ in range(200)}
    assert chosen == {"evt_0", "evt_1", "evt_2"}


@pytest.mark.django_db
def test_a_part_that_fails_stops_no_other_part_of_a_reconciliation(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def fail(run: Any) -> Any:
        raise Broken

    def succeed(run: Any) -> Any:
        ran.append("second")
        return iter(())

    monkeypatch.setattr(reconcile_stripe, "PARTS", {"first": fail, "second": succeed})
    monkeypatch.setattr(reconcile_stripe, "LOCAL_PARTS", ("first", "second"))
    result = reconcile_stripe.reconcile_stripe(
        since=timedelta(days=1),
        repair=False,
        by=actor(),
        within=timedelta(minutes=1),
        parts=["first", "second"],
    )
    assert ran == ["second"]
    assert result.unread == {"first": "failed: see the log"}


def test_a_kind_of_row_that_cannot_be_deleted_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    statements = {f"kind {number}": f"statement {number}" for number in range(3)}

    def delete(statement: str, *_: Any) -> int:
        tried.append(statement)
        if statement == "statement 0":
            raise DatabaseError("locked")
        return 0

    monkeypatch.setattr(prune_expired, "_STATEMENTS", statements)
    monkeypatch.setattr(prune_expired, "_delete_batches", delete)
    with pytest.raises(DatabaseError):
        prune_expired.prune_expired()
    assert tried == list(statements.values())


def test_a_stalled_job_that_cannot_be_returned_stops_no_other() -> None:
    returned: list[int] = []

    class JobManager:
        async def get_stalled_jobs(self, **_: Any) -> list[Any]:
            return [SimpleNamespace(id=number) for number in (1, 2, 3)]

        async def retry_job(self, job: Any) -> None:
            if job.id == 1:
                raise Broken
            returned.append(job.id)

    worker: Any = SimpleNamespace(job_manager=JobManager())
    asyncio.run(retry_stalled_jobs(worker))
    assert returned == [2, 3]


def test_an_invoice_that_stripe_does_not_void_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    voided: list[str] = []

    def void(invoice_id: str, client: Any) -> None:
        if invoice_id == "in_1":
            raise gateway.Refused("it was paid")
        voided.append(invoice_id)

    monkeypatch.setattr(
        stripe_subscriptions, "list_pages", lambda *_, **__: [[{"id": "in_1"}, {"id": "in_2"}], [{"id": "in_3"}]]
    )
    monkeypatch.setattr(stripe_subscriptions, "_void_invoice", void)
    monkeypatch.setattr(stripe_subscriptions, "call_stripe", lambda call: call(None))
    with pytest.raises(gateway.Refused):
        stripe_subscriptions.void_open_invoices(subscription_id="sub_1")
    assert voided == ["in_2", "in_3"]
