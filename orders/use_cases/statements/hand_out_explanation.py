"""Hands an explanation out as a PDF, and records in the audit trail who took it out of the system."""

from django.utils import timezone

from billing.actor import Actor
from billing.use_cases.record_audit import record_audit
from orders.use_cases.ledger.explain import ExplainedBalance, ExplainedOrder
from orders.use_cases.statements.render_explanation import render_balance_explanation, render_order_explanation


def hand_out_explanation(explained: ExplainedBalance | ExplainedOrder, *, by: Actor) -> bytes:
    """Renders the explanation of a balance or an order for a member of staff, after it is recorded."""
    now = timezone.now()
    if isinstance(explained, ExplainedOrder):
        _record("order", str(explained.order.pk), by=by)
        return render_order_explanation(explained, made_at=now)
    _record("customer", str(explained.customer.pk), by=by)
    return render_balance_explanation(explained, made_at=now)


def _record(object_type: str, object_id: str, *, by: Actor) -> None:
    record_audit(action=f"{object_type}.explanation_exported", object_type=object_type, object_id=object_id, by=by)
