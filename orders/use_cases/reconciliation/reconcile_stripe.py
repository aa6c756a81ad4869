"""Compares Stripe's objects with orders and ledger, and finds every break: a discrepancy, named by its kind.

Stripe is read first, outside any transaction. A repair then locks the order, reads again, and decides. A run repairs
what Stripe's own state decides: a session that ended, a refund that was made, a month that was paid, a subscription
that changed. It also ends at Stripe what serves nothing here: a session without a waiting order, a subscription that
has ended. Everything else is for staff, in the console. A break of an earlier run that is in order now, or was
repaired, is closed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import connection
from django.utils import timezone

from billing.actor import Actor
from orders.stripe import gateway
from orders.use_cases.balance.reconcile_balance import reconcile_balance
from orders.use_cases.reconciliation.close_break import close_resolved_breaks
from orders.use_cases.reconciliation.reconcile_charges import reconcile_charges
from orders.use_cases.reconciliation.reconcile_disputes import reconcile_disputes
from orders.use_cases.reconciliation.reconcile_events import reconcile_events
from orders.use_cases.reconciliation.reconcile_invoices import reconcile_invoices
from orders.use_cases.reconciliation.reconcile_ledger import reconcile_ledger
from orders.use_cases.reconciliation.reconcile_refunds import reconcile_refunds
from orders.use_cases.reconciliation.reconcile_sessions import reconcile_sessions
from orders.use_cases.reconciliation.reconcile_subscriptions import reconcile_subscriptions
from orders.use_cases.reconciliation.reconciliation_run import Finding, OutOfTime, Part, ReconciliationRun
from orders.use_cases.reconciliation.record_break import record_break

logger = logging.getLogger(__name__)

LEDGER, EVENTS = "ledger", "events"
# They compare our own rows only, so they need no key of Stripe's.
LOCAL_PARTS = (EVENTS, LEDGER)
# In the order in which they run: a session that is settled late may complete the order of a subscription.
PARTS: dict[str, Part] = {
    EVENTS: reconcile_events,
    LEDGER: reconcile_ledger,
    "sessions": reconcile_sessions,
    "invoices": reconcile_invoices,
    "charges": reconcile_charges,
    "refunds": reconcile_refunds,
    "disputes": reconcile_disputes,
    "balance": reconcile_balance,
    "subscriptions": reconcile_subscriptions,
}


@dataclass(slots=True, kw_only=True)
class ReconciliationResult:
    """The findings of a run. `unread` says, by part, why something could not be compared."""

    findings: list[Finding] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> list[Finding]:
        """The findings that were not repaired."""
        return [each for each in self.findings if not each.repaired]


def reconcile_stripe(
    *,
    since: timedelta,
    repair: bool,
    by: Actor,
    within: timedelta,
    parts: Sequence[str] = tuple(PARTS),
    now: datetime | None = None,
) -> ReconciliationResult:
    """Finds every break of the last `since`, and records those that are not repaired for staff.

    If one part fails, or Stripe does not answer for it, the result names that part, and the other parts still run.

    Args: within: the longest that the run may take.
    Transaction: owns, one for each repair and each break. Idempotency: a second run finds what is still broken, and
    records it once.
    """
    moment = now or timezone.now()
    deadline = monotonic() + within.total_seconds()
    result, repaired = ReconciliationResult(), set[UUID]()
    for name in parts:
        if name not in LOCAL_PARTS and not gateway.is_configured():
            result.unread[name] = "no Stripe key is configured"
            continue
        run = ReconciliationRun(
            start=moment - since, now=moment, repair=repair, by=by, deadline=deadline, repaired=repaired
        )
        try:
            _run_part(name, run, result)
        except OutOfTime:
            result.unread[name] = "the time limit was reached"
        except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
            result.unread[name] = f"Stripe did not answer: {error}"
        except Exception:
            if not connection.is_usable():
                raise
            logger.exception("the comparison of %s failed", name)
            result.unread[name] = "failed: see the log"
        if run.failed and name not in result.unread:
            result.unread[name] = f"could not be compared: {', '.join(run.failed)}"
    return result


def _run_part(name: str, run: ReconciliationRun, result: ReconciliationResult) -> None:
    """Raises: OutOfTime, and what the part's reads of Stripe raise."""
    for found in PARTS[name](run):
        if found.was_closed_by_staff():
            continue
        _record_or_close(found, by=run.by)
        result.findings.append(found)
        if found.repaired and found.order_id:
            run.repaired.add(found.order_id)


def _record_or_close(found: Finding, *, by: Actor) -> None:
    if found.repaired:
        close_resolved_breaks(
            kinds=[found.kind], object_ids=[found.object_id], why="repaired by a reconciliation", by=by
        )
    else:
        record_break(kind=found.kind, object_id=found.object_id, order_id=found.order_id, details=found.details)
