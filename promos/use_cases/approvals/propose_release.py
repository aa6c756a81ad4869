"""The kind of proposal that releases a redemption."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from billing.actor import Actor
from billing.locks import lock_account_and_survivor
from billing.money import format_money
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from billing.use_cases.record_audit import record_audit
from promos.errors import RedemptionNotConfirmed
from promos.locks import lock_redemption
from promos.models import Redemption
from promos.use_cases.redeem_code import release


def release_or_propose(*, redemption_id: UUID, why: str, by: Actor) -> Outcome:
    """Releases a confirmed redemption; proposes it where its credit exceeds a limit of the actor's role.

    Raises: RedemptionNotConfirmed, and as `release` does.
    """
    return run_or_propose(REDEMPTION_RELEASE, {"redemption_id": str(redemption_id)}, why=why, by=by)


def _find(arguments: Arguments) -> Redemption:
    return Redemption.objects.select_related("customer", "promo_code").get(pk=arguments["redemption_id"])


def _describe(arguments: Arguments, state: Any) -> str:
    found = _find(arguments)
    return f"Release the redemption of {found.promo_code} by {found.customer}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    lock_account_and_survivor(customer_id=_find(arguments).customer_id)
    found = lock_redemption(redemption_id=UUID(arguments["redemption_id"]))
    return {"status": found.status, "credit_minor": found.credit_minor}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    credit = format_money(state["credit_minor"], currency=settings.SOVEREIGN_CURRENCY)
    return [
        Difference("State", state["status"], Redemption.Status.RELEASED),
        Difference("Credit of the redemption", credit, "taken back"),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"release": state["credit_minor"]}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    found = _find(arguments)
    if found.status != Redemption.Status.CONFIRMED:
        raise RedemptionNotConfirmed
    release(redemption=found, reason=why, by=by)
    record_audit(
        action="redemption.released",
        object_type="redemption",
        object_id=str(found.pk),
        by=by,
        changes={"status": [found.status, Redemption.Status.RELEASED], "credit_minor": [found.credit_minor, 0]},
        reason=why,
    )
    message = "The redemption is released: its slot is free, and its credit was taken back."
    return Result(message, "promos_redemption", arguments["redemption_id"])


REDEMPTION_RELEASE = Kind(
    name="redemption_release",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=lambda arguments: ("promos_redemption", arguments["redemption_id"]),
)
