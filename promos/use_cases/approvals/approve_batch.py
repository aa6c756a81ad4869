"""The kind of proposal that approves a draft of a batch, before its cards are generated. No limit applies."""

from collections.abc import Sequence
from typing import Any

from billing.actor import Actor
from billing.models import Proposal
from billing.use_cases.proposals.drafts import approve_draft
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import propose
from promos.errors import BatchNeedsAnotherApprover, BatchStateRefuses
from promos.locks import lock_batch
from promos.models import Batch
from promos.use_cases.approvals.written_terms import as_json, write_term
from promos.use_cases.cards.change_batch import record_approval
from promos.use_cases.forecasts.forecast_offer import Offer, forecast_lines_of, offer_in_campaign

_NAMES = {
    "description": "Description",
    "starts_at": "Valid from",
    "expires_at": "Valid until",
    "restrictions": "Restrictions",
    "credit_days": "Credit lasts (days)",
    "credit_expires_at": "Credit expires",
}


def batch_arguments(*, batch: Batch) -> Arguments:
    """Returns the arguments of the approval of a batch."""
    return {"batch_id": batch.pk}


def propose_batch(*, batch: Batch, by: Actor, reason: str) -> Proposal:
    """Proposes to approve a draft, and mails those who can decide it.

    Raises: BatchStateRefuses where it is no draft, ReasonRequired. Locks: as `approve_batch`, but for Proposal.
    Transaction: owns. Idempotency: an open proposal is returned.
    """
    return propose(BATCH_APPROVAL, batch_arguments(batch=batch), why=reason, by=by)


def approve_batch(*, batch: Batch, by: Actor, reason: str) -> Batch:
    """Approves a draft, by someone other than the person who drafted it.

    This approves its open proposal. A draft that nobody has proposed counts as proposed by its drafter.

    Raises: BatchNeedsAnotherApprover for its drafter, OwnProposal for its proposer, ProposalStale, BatchStateRefuses,
    ReasonRequired.
    Locks: Proposal, the advisory lock of the batch's terms (exclusive), Batch. Transaction: owns. Idempotency: yes.
    """
    if by.user_id == batch.created_by:
        raise BatchNeedsAnotherApprover
    current = Batch.objects.select_related("promo_code").get(pk=batch.pk)
    if current.status != Batch.Status.APPROVED:
        arguments = batch_arguments(batch=batch)
        approve_draft(BATCH_APPROVAL, arguments, drafter_id=batch.created_by, by=by, reason=reason)
        current.refresh_from_db()
    return current


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Approve the batch {_find(arguments)}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    # Its other terms are fixed from the draft on.
    return {"status": lock_batch(batch_id=arguments["batch_id"]).status}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    batch = _find(arguments)
    terms = batch.promo_code
    given = as_json({name: getattr(terms, name) for name in _NAMES})
    written = [Difference(title, "", write_term(name, given[name])) for name, title in _NAMES.items()]
    status = Batch.Status
    return [
        Difference("State", status(state["status"]).label, status.APPROVED.label),
        Difference("Campaign", "", terms.campaign.name),
        Difference("Cards", "", f"{batch.size:,}"),
        Difference("Credit a card", "", write_term("credit_minor", terms.credit_minor)),
        Difference("Credit of all cards", "", write_term("credit_minor", terms.credit_minor * batch.size)),
        Difference("Serial numbers", "", f"{batch.first_serial}-{batch.last_serial}"),
        *(each for each in written if each.after),
        # No card of a draft can be redeemed, so its lock keeps no customer waiting.
        *forecast_lines_of(offer_of_batch(batch)),
    ]


def offer_of_batch(batch: Batch) -> Offer:
    """Returns what past orders are replayed against."""
    terms = batch.promo_code
    return offer_in_campaign(
        credit_minor=terms.credit_minor,
        max_redemptions=batch.size,
        starts_at=terms.starts_at,
        ends_at=terms.expires_at,
        restrictions=terms.restrictions,
        for_cards=True,
        campaign_id=terms.campaign_id,
    )


def _check(arguments: Arguments, why: str, by: Actor) -> None:
    if lock_batch(batch_id=arguments["batch_id"]).status != Batch.Status.DRAFT:
        raise BatchStateRefuses


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    approved = record_approval(batch=_find(arguments), by=by, reason=why)
    return Result(f"{approved} is approved.", *_subject(arguments), value=approved)


def _find(arguments: Arguments) -> Batch:
    return Batch.objects.select_related("promo_code__campaign").get(pk=arguments["batch_id"])


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_batch", str(arguments["batch_id"])


BATCH_APPROVAL = Kind(
    name="batch_approval",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=lambda arguments, state: {},
    run=_run,
    subject=_subject,
    check=_check,
    by_approver=True,
)
