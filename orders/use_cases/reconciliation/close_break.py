from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.locks import lock_break
from orders.models import Break


def close_resolved_breaks(*, kinds: Iterable[Break.Kind], object_ids: Iterable[str], why: str, by: Actor) -> None:
    """Closes the breaks of objects that a reconciliation found in order. Transaction: owns, one for each break."""
    resolved = Break.objects.filter(kind__in=list(kinds), object_id__in=list(object_ids), closed_at=None)
    for break_id in resolved.values_list("id", flat=True):
        close_break(break_id=break_id, why=why, by=by)


def close_break(*, break_id: UUID, why: str, by: Actor) -> Break:
    """Closes a break with a reason. If the difference is still there and a run can repair it, the run opens it again.

    Raises: ReasonRequired, Break.DoesNotExist. Locks: Break. Transaction: owns.
    Idempotency: a closed break stays as it is.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        found = lock_break(break_id=break_id)
        if found.closed_at is None:
            found.closed_at, found.closed_by = timezone.now(), by.user_id
            found.save(update_fields=["closed_at", "closed_by"])
            record_audit(
                action="break.closed",
                object_type="break",
                object_id=str(found.id),
                by=by,
                changes={"kind": [found.kind, found.kind]},
                reason=why,
            )
        return found
