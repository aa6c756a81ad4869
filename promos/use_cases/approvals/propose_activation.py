"""The kind of proposal that lets customers redeem the cards of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.actor import Actor
from billing.money import format_money
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from promos.locks import lock_batch
from promos.models import Batch
from promos.use_cases.cards.change_batch import activate_batch


def activate_or_propose(*, batch: Batch, by: Actor, reason: str) -> Outcome:
    """Activates a batch as `activate_batch` does; proposes it where its credit exceeds a limit of the actor's role.

    Raises: as `activate_batch` does.
    """
    return run_or_propose(BATCH_ACTIVATION, {"batch_id": batch.pk}, why=reason, by=by)


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Activate the batch {_find(arguments)}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    return {"status": lock_batch(batch_id=arguments["batch_id"]).status}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    batch = _find(arguments)
    credit = format_money(_credit_minor(batch), currency=batch.promo_code.currency)
    return [
        Difference("State", Batch.Status(state["status"]).label, Batch.Status.ACTIVE.label),
        Difference("Cards", "", f"{batch.size:,}"),
        Difference("Credit that customers can redeem", "", credit),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    is_active = state["status"] == Batch.Status.ACTIVE
    return {"activate_credit": 0 if is_active else _credit_minor(_find(arguments))}


def _credit_minor(batch: Batch) -> int:
    """Returns the credit of the cards that are not redeemed, as the worker counted them last."""
    return (batch.size - batch.redeemed) * batch.promo_code.credit_minor


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    activated = activate_batch(batch=_find(arguments), by=by, reason=why)
    return Result(f"{activated} is active.", *_subject(arguments), value=activated)


def _find(arguments: Arguments) -> Batch:
    return Batch.objects.select_related("promo_code").get(pk=arguments["batch_id"])


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_batch", str(arguments["batch_id"])


BATCH_ACTIVATION = Kind(
    name="batch_activation",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
