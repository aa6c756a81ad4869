"""The kind of proposal that starts a bulk grant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from billing.actor import Actor
from billing.local_time import local_text
from billing.models import BulkGrant
from billing.money import format_money
from billing.use_cases.bulk.draft_bulk_grant import lock_bulk_grant
from billing.use_cases.bulk.start_bulk_grant import start_bulk_grant
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose

_STATE = ("name", "status", "rows", "total_minor", "rows_hash", "credit_class")


def start_or_propose(*, bulk_grant: BulkGrant, by: Actor, reason: str) -> Outcome:
    """Starts a bulk grant, or proposes it where its sum exceeds the limit of the actor's role.

    Raises: as `start_bulk_grant` does.
    """
    return run_or_propose(BULK_GRANT, {"bulk_grant_id": str(bulk_grant.pk)}, why=reason, by=by)


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    found = lock_bulk_grant(bulk_grant_id=UUID(arguments["bulk_grant_id"]))
    ends = found.expires_at.isoformat() if found.expires_at else None
    return {**{name: getattr(found, name) for name in _STATE}, "expires_at": ends}


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Grant {_money(state['total_minor'])} to {state['rows']:,} customers: {state['name']}"


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    lines = [
        Difference("Credit granted, in all", "", _money(state["total_minor"])),
        Difference("Customers", "", f"{state['rows']:,}"),
        Difference("Kind of credit", "", state["credit_class"]),
    ]
    if state["expires_at"]:
        ends = local_text(datetime.fromisoformat(state["expires_at"]))
        lines.append(Difference("Credit expires", "", f"{ends} {settings.SOVEREIGN_TIME_ZONE}"))
    return lines


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"bulk_grant": state["total_minor"]}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    found = start_bulk_grant(bulk_grant_id=UUID(arguments["bulk_grant_id"]), by=by, reason=why)
    text = f"{found.name} is started: {found.rows:,} customers, {_money(found.total_minor)}."
    return Result(text, *_subject(arguments), found)


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "billing_bulkgrant", arguments["bulk_grant_id"]


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)


BULK_GRANT = Kind(
    name="bulk_grant",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
