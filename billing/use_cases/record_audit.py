from collections.abc import Mapping
from typing import Any

import structlog

from billing.actor import Actor
from billing.models import AuditEntry


def record_audit(
    *,
    action: str,
    object_type: str,
    object_id: str,
    by: Actor,
    changes: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Records who changed what, when, from where and why, in the same transaction as the change.

    The database adds the entry to the chain when the transaction commits (models/proof/audit_chain.sql).

    Args: changes: field → [before, after], JSON values. Transaction: joins.
    """
    return AuditEntry.objects.create(
        action=action,
        object_type=object_type,
        object_id=object_id,
        changes=dict(changes or {}),
        reason=reason,
        actor_id=by.user_id,
        actor_role=by.role,
        actor_email=by.email,
        channel=by.channel,
        address=by.address,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
