"""Compares what Stripe holds with orders and ledger, and names every break by its kind.

Stripe is read first, outside any transaction; a repair then decides again under the order's lock. Safe to repair is
what Stripe's own word settles: a session that ended, a refund that was made, a month that was paid, a subscription
that changed; and what goes on there for nothing here: a session that nobody waits for, a subscription that ended. The
rest is for people, in the console. What was found before and is in order by now, or was repaired, is closed there.

The parts run in this order, since a session that is settled late may complete the order of a subscription.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.utils import timezone

from billing.actor import Actor
from orders.stripe import gateway
from orders.use_cases.reconciliation.close_break import close_resolved
from orders.use_cases.reconciliation.reconcile_charges import reconcile_charges
from orders.use_cases.reconciliation.reconcile_invoices import reconcile_invoices
from orders.use_cases.reconciliation.reconcile_ledger import reconcile_ledger
from orders.use_cases.reconciliation.reconcile_refunds import reconcile_refunds
from orders.use_cases.reconciliation.reconcile_sessions import reconcile_sessions
from orders.use_cases.reconciliation.reconcile_subscriptions import reconcile_subscriptions
from orders.use_cases.reconciliation.reconciliation_run import Finding, OutOfTime, Part, ReconciliationRun
from orders.use_cases.reconciliation.record_break import record_break

logger = logging.getLogger(__name__)

LEDGER = "ledger"
PARTS: dict[str, Part] = {
    LEDGER: reconcile_ledger,
    "sessions": reconcile_sessions,
    "invoices": reconcile_invoices,
    "charges": reconcile_charges,
    "refunds": reconcile_refunds,
    "subscriptions": reconcile_subscriptions,
}


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What was found; `unread` tells by part why something could not be compared."""

    findings: list[Finding] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> list[Finding]:
        """Those that were not repaired."""
        return [each for each in self.findings if not each.repaired]


def reconcile_stripe(
    *,
    since: timedelta,
    repair: bool,
    by: Actor,
    within: timedelta,
    parts: Sequence[str] = tuple(PARTS),
    now: datetime | None = None,
) -> Reconciled:
    """Every break of the last `since`; those not repaired are put before staff, as they are found.

    Args: within: how long it may take. Returns: also where Stripe does not answer: what could not be compared is
    named, and the other parts are.
    Transaction: owns, one a repair and one a break. Idempotency: a second run finds what is still broken, told once.
    """
    moment = now or timezone.now()
    deadline = monotonic() + within.total_seconds()
    done, repaired = Reconciled(), set[UUID]()
    for name in parts:
        if name != LEDGER and not gateway.is_configured():
            done.unread[name] = "no Stripe key is configured"
            continue
        run = ReconciliationRun(
            start=moment - since, now=moment, repair=repair, by=by, deadline=deadline, repaired=repaired
        )
        try:
            for found in PARTS[name](run):
                if found.is_dealt_with():
                    continue
                _note(found, by=by)
                done.findings.append(found)
                if found.repaired and found.order_id:
                    repaired.add(found.order_id)
        except OutOfTime:
            done.unread[name] = "the time was over"
        except (gateway.Refused, gateway.Unanswered, gateway.NotConfigured) as error:
            done.unread[name] = f"Stripe did not answer: {error}"
        if run.failed and name not in done.unread:
            done.unread[name] = f"could not be compared: {', '.join(run.failed)}"
    return done


def _note(found: Finding, *, by: Actor) -> None:
    if found.repaired:
        close_resolved(kinds=[found.kind], object_ids=[found.object_id], why="repaired by a reconciliation", by=by)
    else:
        record_break(kind=found.kind, object_id=found.object_id, order_id=found.order_id, details=found.details)
