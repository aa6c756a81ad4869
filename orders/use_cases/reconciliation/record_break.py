from typing import Any
from uuid import UUID

from orders.models import Break


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
