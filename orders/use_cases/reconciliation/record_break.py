from typing import Any
from uuid import UUID

from orders.models import Break
from orders.stripe.payloads import Object


def record_break(
    *, kind: Break.Kind, object_id: str, order_id: UUID | None = None, details: dict[str, Any] | None = None
) -> Break:
    """Records a discrepancy for staff; one that is open already is not recorded again.

    Transaction: joins.
    """
    found, _ = Break.objects.get_or_create(
        kind=kind,
        object_id=object_id,
        closed_at=None,
        defaults={"order_id": order_id, "details": details or {}},
    )
    return found


def record_dispute(dispute: Object, *, order_id: UUID | None) -> Break:
    """Records a dispute for staff. A lost one is noted on its break, which opens again if staff have closed it.

    Transaction: joins.
    """
    details = {name: dispute.get(name) for name in ("amount", "currency", "reason")}
    found = record_break(kind=Break.Kind.DISPUTE, object_id=str(dispute["id"]), order_id=order_id, details=details)
    # An event may come before its payment is linked, and the news of a loss before that of the dispute.
    found.order_id = found.order_id or order_id
    found.details |= {"status": "lost"} if is_lost(dispute) else {}
    found.save(update_fields=["order_id", "details"])
    return found


def is_lost(dispute: Object) -> bool:
    """Returns whether the bank has decided for the cardholder: the money is gone."""
    return dispute.get("status") == "lost"
